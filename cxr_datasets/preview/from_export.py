"""The material of an export: the columns of its Parquet files without those of images."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cxr_datasets import wording
from cxr_datasets.cohorts.rules import Step, steps_from
from cxr_datasets.columns import SPLITS
from cxr_datasets.copies import Place
from cxr_datasets.errors import ExportError, OptionError
from cxr_datasets.export import notes
from cxr_datasets.export.manifest import manifest_name
from cxr_datasets.preview.from_rows import read_parts
from cxr_datasets.preview.kinds import kinds_of, without_pixels
from cxr_datasets.preview.material import Material, Sampled, tables_of, texts_of
from cxr_datasets.preview.sampling import chosen
from cxr_datasets.storage import Source
from cxr_datasets.storage.ranged import open_ranged
from cxr_datasets.tables.keys import combined

_FILE = re.compile(r"(?P<split>\w+)-\d{5}-of-(?P<files>\d{5})\.parquet")


def material_of_export(
    place: Place, wanted: Sequence[str] | None = None, config: str | None = None
) -> Material:
    """Read the columns of an export, without its images.

    Args:
        place: The export.
        wanted: Names of splits; None: all.
        config: One of its configs; None: the first of `images`, `studies` and `reports`.

    Raises:
        OptionError: It has no such config or split.
        ExportError: A file of it is not there, or damaged.
        StoreError: The store refuses a file.
    """
    config = config or place.configs[0]
    if config not in place.configs:
        raise OptionError.unknown("config", config, place.configs)
    files, notes_ = files_of(place.source, config)
    for name in wanted or ():
        if name not in files:
            raise OptionError.unknown("split", name, files)
    files = {name: some for name, some in files.items() if not wanted or name in wanted}
    plain, lengths, texts = {}, {}, []
    kinds = kinds_of((), place.dataset)
    for split, some in files.items():
        names = _columns(place.source, some[0])
        texts = [name for name in kinds.texts if name in names]
        read = (_read(place.source, file, names) for file in some)
        plain[split], lengths[split] = read_parts((part for parts in read for part in parts), texts)
    _, images, studies = tables_of(plain, kinds)
    return Material(
        config=config,
        splits=tuple(files),
        images=images,
        studies=studies,
        texts=texts_of(lengths, texts, studies.num_rows),
        sample=None if config == "reports" else partial(_sample, place.source, files, config),
        dataset=place.dataset,
        notes=notes_,
        steps=_steps(place.source, config),
    )


def _steps(source: Source, config: str) -> tuple[Step, ...]:
    """What the export noted of the rules that left rows out; nothing of a copy without notes."""
    try:
        header = notes.decoded(source.read(manifest_name(config)).partition(b"\n")[0])
        return tuple(steps_from(header.get("cohort", ())))
    except (FileNotFoundError, ValueError, TypeError):
        return ()


def files_of(source: Source, config: str) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """Find the finished files of a config.

    Args:
        source: The folder of the export.
        config: The config.

    Returns:
        Split -> its files, in order; and what a reader must know, such as that some are not
        finished.

    Raises:
        ExportError: There is none.
    """
    noted = _noted(source, config)
    names = [name for some in noted[0].values() for name in some] if noted else []
    if names and not any(name.endswith(".parquet") for name in names):
        raise ExportError(
            f"{source.shown(config)} is no export as Parquet, which alone can be shown. Show the "
            "copy of the release."
        )
    planned, finished = noted if noted else _listed(source, config)
    files = {split: [one for one in planned[split] if one in finished]
             for split in SPLITS if split in planned}  # fmt: skip
    files = {split: some for split, some in files.items() if some}
    if not files:
        raise ExportError(
            f"{source.shown(config)} holds no finished Parquet file. Run the `cxr export` command "
            "again, which goes on with the export."
        )
    count, found = sum(map(len, planned.values())), sum(map(len, files.values()))
    if found == count:
        return files, ()
    return files, (f"{count - found} of {count} files of the export are not finished: left out",)


def _noted(source: Source, config: str) -> tuple[dict[str, list[str]], set[str]] | None:
    """What the export noted of its files; None if it is a copy without that."""
    try:
        first, *rest = source.read(manifest_name(config)).split(b"\n")
    except FileNotFoundError:
        return None
    try:
        planned = notes.decoded(first)["files"]
    except (ValueError, KeyError):
        return None
    finished = set()
    for line in rest[:-1]:
        with suppress(ValueError, KeyError):
            finished.add(notes.decoded(line)["name"])
    return planned, finished


def _listed(source: Source, config: str) -> tuple[dict[str, list[str]], set[str]]:
    planned: dict[str, list[str]] = {}
    found = set()
    for name in source.names(config):
        name = name.rpartition("/")[2]
        match = _FILE.fullmatch(name)
        if match:
            split, files = match["split"], int(match["files"])
            planned[split] = [
                f"{config}/{split}-{n:05d}-of-{files:05d}.parquet" for n in range(files)
            ]
            found.add(f"{config}/{name}")
    return planned, found


@contextmanager
def opened_file(source: Source, file: str) -> Iterator[pq.ParquetFile]:
    """Open a file of the export.

    Raises:
        ExportError: It is not there, or damaged.
    """
    try:
        with (
            open_ranged(source, file) as opened,
            pq.ParquetFile(opened, pre_buffer=True) as parquet,
        ):
            yield parquet
    except FileNotFoundError:
        raise ExportError(
            f"{source.shown(file)} is not there, though the export lists it. Run the `cxr export` "
            "command again with --verify, which writes it anew."
        ) from None
    except (pa.ArrowException, OSError) as error:
        raise ExportError(
            f"{source.shown(file)} cannot be read: {wording.said(error)}. It is damaged: run the "
            "`cxr export` command again with --verify, which writes it anew."
        ) from error


def _columns(source: Source, file: str) -> list[str]:
    with opened_file(source, file) as parquet:
        return without_pixels(parquet.schema_arrow.names)


def _read(source: Source, file: str, names: Sequence[str]) -> Iterator[pa.Table]:
    with opened_file(source, file) as parquet:
        for group in range(parquet.num_row_groups):
            rows = parquet.read_row_group(group, columns=list(names))
            yield rows.replace_schema_metadata(None)


def _sample(
    source: Source, files: Mapping[str, Sequence[str]], config: str, count: int, seed: int
) -> Iterator[Sampled]:
    """Read the images that are drawn; of each group of rows with one of them, all images."""
    groups = list(_groups(source, [one for some in files.values() for one in some], config))
    ends = np.cumsum([images for _, _, images in groups])
    numbers = chosen(int(ends[-1]) if len(ends) else 0, count, seed)
    group_of = np.searchsorted(ends, numbers, side="right")
    for group in np.unique(group_of).tolist():
        file, place, images = groups[group]
        wanted = pa.array(numbers[group_of == group] - (ends[group] - images), pa.int64())
        view, image = _names(config)
        with opened_file(source, file) as parquet:
            rows = parquet.read_row_group(place, columns=[view, image])
        views, stored = (_flat(rows[name], config).take(wanted) for name in (view, image))
        yield from zip(views.to_pylist(), stored.to_pylist(), strict=True)


def _groups(source: Source, files: Sequence[str], config: str) -> Iterator[tuple[str, int, int]]:
    """Every group of rows: its file, its place there, and how many images it has."""
    for file in files:
        with opened_file(source, file) as parquet:
            for place in range(parquet.num_row_groups):
                images = parquet.metadata.row_group(place).num_rows
                if config == "studies":
                    views = parquet.read_row_group(place, columns=["views"])["views"]
                    images = len(_flat(views, config))
                yield file, place, images


def _names(config: str) -> tuple[str, str]:
    return ("views", "images") if config == "studies" else ("view", "image")


def _flat(column: pa.ChunkedArray, config: str) -> pa.Array:
    return pc.list_flatten(combined(column)) if config == "studies" else combined(column)
