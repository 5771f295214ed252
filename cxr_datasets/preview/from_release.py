"""The material of a release: its tables, joined, and as many of its reports as are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
from tqdm import tqdm

from cxr_datasets.builder import CxrBuilder
from cxr_datasets.builder.release import Release
from cxr_datasets.layers.joined import place_of
from cxr_datasets.preview.kinds import kinds_of, without_pixels
from cxr_datasets.preview.material import (
    Match,
    Material,
    Sampled,
    Texts,
    tables_of,
    text_lengths,
    texts_of,
)
from cxr_datasets.preview.sampling import chosen
from cxr_datasets.tables.index import spread_places
from cxr_datasets.tables.keys import combined, numbered

_REPORTS_AT_ONCE = 4_096


def material_of_release(
    builder: CxrBuilder,
    dataset: str,
    splits: Mapping[str, pa.Table],
    texts: int | None,
    progress: bool = False,
) -> Material:
    """Read the tables of a release, and some of its reports.

    Args:
        builder: Its builder, of config `images`.
        dataset: Name of the dataset.
        splits: What its `index_rows` gave, or some of these splits.
        texts: Most reports to read; they are spread evenly over the studies. None: all. Reports
            that stand in the tables are read anyway, and all are for labels made from them.
        progress: Whether to show a progress bar for the texts, on stderr.

    Raises:
        CxrError: Its tables or reports are broken.
    """
    kinds = kinds_of((), dataset)
    images = pa.concat_tables(splits.values())
    names = [name for name in kinds.texts if name in builder.features()]
    layered = {column.name for column in builder.layers.columns()}
    counted = [
        name for name in without_pixels(builder.features()) if name not in {*names, *layered}
    ]
    taken = {name: _counted(builder, rows, counted, names) for name, rows in splits.items()}
    _, image_rows, studies = tables_of({name: rows for name, (rows, _) in taken.items()}, kinds)
    measured = {name: lengths for name, (_, lengths) in taken.items() if lengths is not None}
    if measured:
        lengths = texts_of(measured, names, studies.num_rows)
    else:
        lengths = _lengths(builder.release, splits, names, studies.num_rows, texts, progress)
    return Material(
        config="images",
        splits=tuple(splits),
        images=image_rows,
        studies=studies,
        texts=lengths,
        sample=partial(_sample, builder, images),
        dataset=dataset,
        steps=tuple(builder.steps()),
        layers=tuple(_matches(builder, splits)),
    )


def _matches(builder: CxrBuilder, splits: Mapping[str, pa.Table]) -> Iterator[Match]:
    """Count the images of each split that have something of each layer."""
    for layer in builder.layers:
        for split, rows in splits.items():
            found = rows.num_rows - rows[place_of(layer)].null_count
            yield Match(layer.name, layer.column, split, rows.num_rows, found)


def _counted(
    builder: CxrBuilder, rows: pa.Table, columns: Sequence[str], texts: Sequence[str]
) -> tuple[pa.Table, pa.Table | None]:
    """Take columns of the index, and those of labels that are made from texts: of all reports.

    Returns:
        The columns. And if reports were read for them, the lengths of the texts of each study, so
        that they need not be read again.
    """
    if set(columns) <= set(rows.column_names):
        return rows.select(columns), None
    firsts = numbered(combined(rows["study_id"]))[1].to_numpy()
    parts, lengths = [], []
    for start in range(0, max(1, rows.num_rows), _REPORTS_AT_ONCE):
        some = builder.with_texts(rows.slice(start, _REPORTS_AT_ONCE))
        parts.append(some.select(columns))
        here = firsts[(firsts >= start) & (firsts < start + some.num_rows)] - start
        lengths.append(text_lengths(some.take(pa.array(here, pa.int64())), texts))
    return pa.concat_tables(parts), pa.concat_tables(lengths)


def _lengths(
    release: Release,
    splits: Mapping[str, pa.Table],
    names: Sequence[str],
    studies: int,
    most: int | None,
    progress: bool,
) -> Texts:
    firsts = {name: numbered(combined(rows["study_id"]))[1] for name, rows in splits.items()}
    if type(release).add_texts is not Release.add_texts and most is not None:
        firsts = _spread(firsts, most)
    count = sum(map(len, firsts.values()))
    with tqdm(total=count, unit=" studies", desc="texts", delay=1, disable=not progress) as bar:
        lengths = {
            name: _measured(release, splits[name], first, names, bar)
            for name, first in firsts.items()
        }
    return texts_of(lengths, names, studies)


def _spread(firsts: Mapping[str, pa.Array], most: int) -> dict[str, pa.Array]:
    """Take of the studies of all splits as many as are wanted, spread evenly."""
    wanted = spread_places(sum(map(len, firsts.values())), most)
    taken, start = {}, 0
    for name, first in firsts.items():
        here = wanted[(wanted >= start) & (wanted < start + len(first))] - start
        taken[name] = first.take(pa.array(here, pa.int64()))
        start += len(first)
    return taken


def _measured(
    release: Release, rows: pa.Table, wanted: pa.Array, names: Sequence[str], bar: tqdm
) -> pa.Table:
    """Measure the texts of some rows; of many rows never all texts are in memory."""
    parts = []
    for start in range(0, max(1, len(wanted)), _REPORTS_AT_ONCE):
        some = rows.take(wanted.slice(start, _REPORTS_AT_ONCE))
        parts.append(text_lengths(release.add_texts(some), names))
        bar.update(some.num_rows)
    return pa.concat_tables(parts)


def _sample(builder: CxrBuilder, images: pa.Table, count: int, seed: int) -> Iterator[Sampled]:
    rows = images.select(["path", "view"]).take(pa.array(chosen(images.num_rows, count, seed)))
    stored: list[Any] = builder.stored_images(rows).to_pylist()
    yield from zip(combined(rows["view"]).to_pylist(), stored, strict=True)
