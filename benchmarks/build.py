"""How long does a build of the whole release take, against bare pyarrow and a plain generator?

The bare program reads the four tables, joins them, inflates every report and writes an Arrow file.
It parses no sections, checks nothing and knows no config. It exists twice: `bare` writes what it
has; `bare, same bytes` writes each report a second time in place of the parsed sections, so that
both programs write as many bytes. The generator is the hand-written loader of rival.py. It is run
on small parts of the release, since the whole takes minutes, and only its cost a row counts.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.compute as pc
from harness import Ratio, clock, main
from pyarrow import csv
from release import full_release
from rival import REPORTS, Usual

from cxr_datasets.columns import LABELS
from mimic_cxr_jpg.reports.zip_directory import read_directory

TABLES = ("split", "metadata", "chexpert", "negbio")
PART = 1 / 10
THIRD = 1 / 3
GENERATED_ROWS = (2_000, 12_000)


datasets.disable_progress_bars()


def build(
    config: str,
    part: float | None = None,
    num_proc: int | None = None,
    release: Callable[[float | None], Path] = full_release,
    **options: Any,
) -> float:
    """Build with our builder and some of its options; seconds of `clock` without imports."""
    root = release(part)
    with tempfile.TemporaryDirectory() as cache:
        start = clock()
        datasets.load_dataset(
            "mimic_cxr_jpg", config, data_dir=str(root), reports=str(root / REPORTS),
            cache_dir=cache, num_proc=num_proc, **options,
        )  # fmt: skip
        return clock() - start


def bare(same_bytes: bool = False) -> float:
    """Join, inflate and write with nothing but pyarrow and zlib."""
    root = full_release()
    with tempfile.TemporaryDirectory() as folder:
        start = clock()
        table = join(str(root), (_read(root / f"mimic-cxr-2.0.0-{name}.csv.gz") for name in TABLES))
        names, texts = _inflate(root / REPORTS)
        study = pc.binary_join_element_wise(
            "files", pc.utf8_slice_codeunits(table["patient"], 0, 3), table["patient"],
            pc.binary_join_element_wise("s", table["study"], ".txt", ""), "/",
        )  # fmt: skip
        row = pc.index_in(study, value_set=names)
        schema = None
        with pa.OSFile(f"{folder}/out.arrow", "wb") as file:
            for first in range(0, table.num_rows, 4_096):
                some = table.slice(first, 4_096)
                report = texts.take(row.slice(first, 4_096))
                some = some.append_column("report", report)
                if same_bytes:
                    some = some.append_column("sections", report)
                if schema is None:
                    schema, writer = some.schema, pa.ipc.new_stream(file, some.schema)
                writer.write_table(some.combine_chunks())
            writer.close()
        return clock() - start


def join(root: str, tables: Iterable[pa.Table]) -> pa.Table:
    """Join the four tables, given in the order of `TABLES`, with nothing but pyarrow."""
    split, metadata, chexpert, negbio = tables
    rows = pc.index_in(split["dicom_id"], value_set=metadata["dicom_id"])
    columns = {name: split[name] for name in split.column_names}
    columns |= {name: metadata[name].take(rows) for name in metadata.column_names[3:]}
    for name, labels in (("chexpert", chexpert), ("negbio", negbio)):
        rows = pc.index_in(split["study_id"], value_set=labels["study_id"])
        fields = [labels[label].take(rows).cast(pa.int8()).combine_chunks() for label in LABELS]
        columns[name] = pa.StructArray.from_arrays(fields, LABELS)
    columns["patient"] = pc.binary_join_element_wise("p", split["subject_id"].cast(pa.string()), "")
    columns["study"] = split["study_id"].cast(pa.string())
    columns["path"] = pc.binary_join_element_wise(
        root, columns["patient"], columns["study"], split["dicom_id"], "/"
    )
    return pa.table(columns).combine_chunks()


def _read(path: Path) -> pa.Table:
    with pa.OSFile(str(path)) as file:
        return csv.read_csv(pa.CompressedInputStream(file, "gzip"))


def _inflate(path: Path) -> tuple[pa.Array, pa.Array]:
    with pa.memory_map(str(path)) as file:
        archive = memoryview(file.read_buffer())
    names, places, *_ = read_directory(archive, str(path))
    texts = []
    for offset, stored in zip(
        places.field("offset").to_pylist(), places.field("stored").to_pylist(), strict=True
    ):
        start = offset + 30 + int.from_bytes(archive[offset + 26 : offset + 28], "little")
        start += int.from_bytes(archive[offset + 28 : offset + 30], "little")
        texts.append(zlib.decompress(archive[start : start + stored], -15))
    return names, pa.array(texts, pa.binary()).cast(pa.string())


def generator(rows: int) -> float:
    """Build the first rows of the release with the hand-written loader."""
    root = full_release(PART)
    with tempfile.TemporaryDirectory() as cache:
        start = clock()
        Usual(data_dir=str(root), rows=rows, cache_dir=cache).download_and_prepare()
        return clock() - start


def _contenders() -> dict[str, Callable[[], float]]:
    return {
        "images": lambda: build("images"),
        "studies": lambda: build("studies"),
        "reports": lambda: build("reports"),
        "images, 2 processes": lambda: build("images", num_proc=2),
        "reports, 2 processes": lambda: build("reports", num_proc=2),
        "images, 1/10": lambda: build("images", PART),
        "images, 1/3": lambda: build("images", THIRD),
        "bare": bare,
        "bare, same bytes": lambda: bare(same_bytes=True),
        **{f"generator, {rows} rows": lambda rows=rows: generator(rows) for rows in GENERATED_ROWS},
    }


def _print_costs(medians: dict[str, float]) -> None:
    few, many = GENERATED_ROWS
    small, large = (f"generator, {rows} rows" for rows in GENERATED_ROWS)
    theirs = (medians[large] - medians[small]) / (many - few)
    whole, tenth, third = 377_110, int(377_110 * PART), int(377_110 * THIRD)
    ours = (medians["images"] - medians["images, 1/10"]) / (whole - tenth)
    lower = (medians["images, 1/3"] - medians["images, 1/10"]) / (third - tenth)
    print(f"cost of one more row: generator {theirs * 1e6:.0f} us, ours {ours * 1e6:.1f} us, "
          f"ratio {theirs / ours:.1f}  >= 20")  # fmt: skip
    print(f"ours from 1/10 to 1/3: {lower * 1e6:.1f} us a row (linear: the same)")


if __name__ == "__main__":
    for part in (1.0, PART, THIRD):
        full_release(part)
    RATIOS = [
        Ratio("images / bare, same bytes", "images", "bare, same bytes", "<= 2.0"),
        Ratio("images / bare", "images", "bare"),
        Ratio("studies / images", "studies", "images", "<= 1.3"),
        Ratio("reports / images", "reports", "images", "< 1"),
        Ratio("images: 1 process / 2", "images", "images, 2 processes", ">= 1.4"),
        Ratio("reports: 1 process / 2", "reports", "reports, 2 processes", ">= 1.4"),
    ]
    _print_costs(main("build of the whole release", _contenders(), RATIOS, rounds=3))
