"""The material of rows that `datasets` has loaded, or streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.errors import OptionError
from cxr_datasets.preview.kinds import kinds_of, without_pixels
from cxr_datasets.preview.material import (
    Material,
    Sampled,
    tables_of,
    text_lengths,
    texts_of,
    together,
)
from cxr_datasets.preview.sampling import chosen
from cxr_datasets.tables.keys import combined, numbered

Rows: TypeAlias = datasets.Dataset | datasets.IterableDataset
_ROWS_AT_ONCE = 5_000


def named_splits(rows: Any) -> dict[str, Rows]:
    """Give the splits of what `load_dataset` gave, or of a single one.

    Raises:
        OptionError: It is none of these, or holds no split.
    """
    if isinstance(rows, (datasets.Dataset, datasets.IterableDataset)):
        return {str(rows.split or "all rows"): rows}
    kinds = (datasets.DatasetDict, datasets.IterableDatasetDict)
    if isinstance(rows, kinds) and rows:
        return {str(name): split for name, split in rows.items()}
    raise OptionError(
        "expected the address of a copy or an export, or a Dataset, IterableDataset, DatasetDict "
        f"or IterableDatasetDict with a split in it; found {type(rows).__name__}."
    )


def columns_in(rows: Rows) -> list[str]:
    """Names of the columns of a split; of a stream that does not know them, from its first row."""
    if rows.column_names is not None:
        return list(rows.column_names)
    return list(next(iter(rows), {}))


def material_of_rows(splits: Mapping[str, Rows], dataset: str | None = None) -> Material:
    """Read the columns of loaded or streamed rows, without their images.

    Args:
        splits: The rows of each split, of any config.
        dataset: Name of the dataset, if it is known.

    Raises:
        CxrError: The rows cannot be read, or have no `study_id`.
    """
    columns = {name: without_pixels(columns_in(rows)) for name, rows in splits.items()}
    names = list(dict.fromkeys(name for some in columns.values() for name in some))
    kinds = kinds_of(names, dataset)
    texts = [name for name in kinds.texts if name in names]
    plain, lengths = {}, {}
    for name, rows in splits.items():
        own = [text for text in texts if text in columns[name]]
        plain[name], lengths[name] = read_parts(_tables(rows, columns[name]), own)
    config, images, studies = tables_of(plain, kinds)
    sample = None if config == "reports" else partial(_sample, splits, config)
    return Material(
        config=config,
        splits=tuple(splits),
        images=images,
        studies=studies,
        texts=texts_of(lengths, texts, studies.num_rows),
        sample=sample,
        told=", ".join(f"{name} ({type(rows).__name__})" for name, rows in splits.items()),
        dataset=dataset,
    )


def read_parts(tables: Iterable[pa.Table], texts: Sequence[str]) -> tuple[pa.Table, pa.Table]:
    """Read rows part by part, and keep of their texts the lengths only.

    Args:
        tables: The rows, one table at least.
        texts: Their columns of text.

    Returns:
        All rows without texts; and the lengths of the texts, a row for each study.
    """
    plain, lengths = [], []
    for rows in tables:
        plain.append(rows.drop_columns(list(texts)))
        lengths.append(text_lengths(rows, texts))
    rows, measured = together(plain), together(lengths)
    if "study_id" not in rows.column_names or rows["study_id"].null_count:
        return rows, measured  # which is an error, told once all splits are read
    _, first = numbered(combined(rows["study_id"]))
    return rows, measured.take(first)


def _tables(rows: Rows, names: Sequence[str]) -> Iterator[pa.Table]:
    """The rows as Arrow holds them, without the columns of images: none is read."""
    rows = rows.select_columns(list(names)).with_format("arrow")
    some = False
    for part in rows.iter(batch_size=_ROWS_AT_ONCE):
        some = True
        yield part.replace_schema_metadata(None)
    if not some:
        schema = rows.features.arrow_schema if rows.features else pa.schema([])
        yield schema.empty_table()


def _sample(splits: Mapping[str, Rows], config: str, count: int, seed: int) -> Iterator[Sampled]:
    column = "images" if config == "studies" else "image"
    for rows in splits.values():
        if column not in columns_in(rows):
            raise OptionError(
                f"pixels={count} needs the column {column}. Keep it when you select columns."
            )
    whole = _undecoded(splits, column)
    if isinstance(whole, datasets.Dataset):
        yield from _sample_built(whole, config, count, seed)
    else:
        yield from _sample_stream(whole, config, count, seed)


def _undecoded(splits: Mapping[str, Rows], column: str) -> Rows:
    image = datasets.Image(decode=False)
    kept = [column, "views" if column == "images" else "view"]
    parts = []
    for rows in splits.values():
        part = rows.select_columns([name for name in kept if name in columns_in(rows)])
        part = part.cast_column(column, [image] if column == "images" else image)
        parts.append(part.with_format(None))
    return parts[0] if len(parts) == 1 else datasets.concatenate_datasets(parts)


def _sample_built(rows: datasets.Dataset, config: str, count: int, seed: int) -> Iterator[Sampled]:
    if config != "studies":
        for row in rows.select(chosen(len(rows), count, seed)):
            yield row.get("view"), row["image"]
        return
    lists = combined(rows.with_format("arrow")[:]["images"])
    counts = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    row_of = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    for number in chosen(len(row_of), count, seed).tolist():
        row = int(row_of[number])
        yield from _some_of(rows[row], [number - int(first[row])])


def _sample_stream(
    rows: datasets.IterableDataset, config: str, count: int, seed: int
) -> Iterator[Sampled]:
    """Of a stream the first ones, after a shuffle: it cannot be read in any place."""
    given = 0
    for row in rows.shuffle(seed=seed, buffer_size=count):
        found = [(row.get("view"), row["image"])] if config != "studies" else list(_some_of(row))
        for one in found[: count - given]:
            yield one
            given += 1
        if given == count:
            return


def _some_of(row: Mapping[str, Any], wanted: Sequence[int] | None = None) -> Iterator[Sampled]:
    images, views = row["images"] or [], row.get("views") or []
    for place in range(len(images)) if wanted is None else wanted:
        yield views[place] if place < len(views) else None, images[place]
