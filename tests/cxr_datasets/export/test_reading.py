"""An export holds the rows of the builder, and every reader of Parquet reads it."""

from __future__ import annotations

import io
import json
import textwrap
from pathlib import Path
from typing import Any

import datasets
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from cxr_datasets.export import export
from tests.cxr_datasets.export.conftest import CONFIGS, Exported
from tests.helpers import run_python


def built(exported: Exported, config: str, cache: str) -> datasets.DatasetDict:
    """The same dataset as `load_dataset` builds it from the release."""
    package = exported.dataset.replace("-", "_")
    __import__(package)
    return datasets.load_dataset(
        package, config, data_dir=str(exported.release), cache_dir=cache, embed=True
    )


def stored(dataset: datasets.Dataset) -> pa.Table:
    """The rows as they are stored, with bytes of images and numbers of classes."""
    return dataset.with_format("arrow")[:].replace_schema_metadata(None).combine_chunks()


@pytest.mark.parametrize("config", CONFIGS)
def test_load_dataset_gives_the_rows_and_features_of_the_builder(
    exported: Exported, config: str, cache: str
) -> None:
    ours = built(exported, config, cache)
    loaded = datasets.load_dataset(str(exported.out), config, cache_dir=cache)
    assert list(loaded) == list(ours)
    for split in ours:
        assert loaded[split].features == ours[split].features
        assert stored(loaded[split]).equals(stored(ours[split]))


def test_the_images_are_the_files_of_the_release(exported: Exported, cache: str) -> None:
    rows = datasets.load_dataset(str(exported.out), split="train", cache_dir=cache)
    assert rows[0]["image"].mode == "L"
    for row in rows.cast_column("image", datasets.Image(decode=False)).select(range(20)):
        assert row["image"]["bytes"] == (exported.release / row["path"]).read_bytes()
        assert row["image"]["path"] == Path(row["path"]).name


def test_a_plain_load_dataset_needs_nothing_of_this_project(
    exported: Exported, tmp_path: Path
) -> None:
    done = run_python(
        textwrap.dedent(
            f"""
            import json, sys
            from datasets import load_dataset

            out = {str(exported.out)!r}
            found = {{}}
            loaded = load_dataset(out)
            found["rows"] = {{split: len(rows) for split, rows in loaded.items()}}
            found["size"] = loaded["train"][0]["image"].size
            found["view"] = loaded["train"].features["view"].names
            stream = load_dataset(out, split="train", streaming=True)
            found["streamed"] = [row["image_id"] for row in stream]
            found["shards"] = stream.num_shards
            studies = load_dataset(out, "studies", split="train", streaming=True)
            # To its end: pyarrow's threads may end a process that leaves a stream half read.
            found["study"] = [[image.mode for image in row["images"]] for row in studies][0]
            own = ("cxr_datasets", "mimic_cxr_jpg", "indiana_cxr")
            found["ours"] = [name for name in sys.modules if name.startswith(own)]
            print(json.dumps(found))
            """
        ),
        cwd=tmp_path,
        pythonpath=tmp_path,
        forked=True,
        USE_TORCH="0",  # which `datasets` else imports for a stream
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    files = sorted((exported.out / "images").glob("train-*"))
    ids = [id for file in files for id in pq.read_table(file)["image_id"].to_pylist()]
    assert found["ours"] == []
    assert found["streamed"] == ids
    assert found["rows"]["train"] == len(ids) > 100
    assert found["shards"] == len(files) > 1
    assert min(found["size"]) > 50
    assert found["view"] == ["frontal", "lateral", "oblique", "unknown"]
    assert set(found["study"]) == {"L"}


def test_the_features_are_spelled_as_every_datasets_knows_them(exported: Exported) -> None:
    (file, *_) = (exported.out / "studies").glob("train-*")
    note = json.loads(pq.read_schema(file).metadata[b"huggingface"])["info"]["features"]
    assert note["images"] == [{"_type": "Image"}]
    assert note["views"][0]["_type"] == "ClassLabel"
    assert note["labels"]["Pneumonia"] == {"dtype": "int8", "_type": "Value"}
    assert '"List"' not in json.dumps(note)


@pytest.fixture
def table(exported: Exported) -> pa.Table:
    """Rows of `images`, split train, by pyarrow alone."""
    return pa.concat_tables(map(pq.read_table, sorted((exported.out / "images").glob("train-*"))))


def test_pandas_reads_it(exported: Exported, table: pa.Table) -> None:
    frame = pd.concat(map(pd.read_parquet, sorted((exported.out / "images").glob("train-*"))))
    assert frame["image_id"].tolist() == table["image_id"].to_pylist()
    assert Image.open(io.BytesIO(frame["image"].iloc[0]["bytes"])).mode == "L"
    assert set(frame["labels"].iloc[0]) >= {"Pneumonia", "No Finding"}


def test_polars_reads_it(exported: Exported, table: pa.Table) -> None:
    frame = pl.scan_parquet(exported.out / "images" / "train-*.parquet")
    assert frame.select("image_id").collect()["image_id"].to_list() == table["image_id"].to_pylist()
    assert frame.head(1).collect()["image"][0]["bytes"] == table["image"][0]["bytes"].as_py()


def test_duckdb_reads_it(exported: Exported, table: pa.Table) -> None:
    files = str(exported.out / "images" / "train-*.parquet")
    query = f"select image_id, labels.\"No Finding\", octet_length(image.bytes) from '{files}'"
    rows = duckdb.sql(query).fetchall()
    assert sorted(row[0] for row in rows) == sorted(table["image_id"].to_pylist())
    sizes = {row[0]: row[2] for row in rows}
    assert sizes[table["image_id"][0].as_py()] == len(table["image"][0]["bytes"].as_py())


class Counting(io.FileIO):
    """A file that counts how many of its bytes were read."""

    read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        content = super().read(size)
        self.read_bytes += len(content)
        return content


def test_columns_without_images_are_read_without_the_images(
    large_release: Path, export_cache: str, tmp_path: Path
) -> None:
    export("mimic-cxr-jpg", large_release, tmp_path / "out", split="train", progress=False,
           cache_dir=export_cache)  # fmt: skip
    (file,) = (tmp_path / "out" / "images").glob("train-*")
    with Counting(file) as counting:
        pq.read_table(counting, columns=["study_id", "findings", "labels"], pre_buffer=False)
        assert 0 < counting.read_bytes < file.stat().st_size / 50


def leaves(metadata: pq.FileMetaData) -> dict[str, Any]:
    group = metadata.row_group(0)
    columns = map(group.column, range(group.num_columns))
    return {column.path_in_schema: column for column in columns}


@pytest.mark.parametrize(("config", "leaf"), [
    ("images", "image.bytes"), ("studies", "images.list.element.bytes"),
])  # fmt: skip
def test_image_bytes_are_stored_as_they_are_and_all_else_is_compressed(
    exported: Exported, config: str, leaf: str
) -> None:
    (file, *_) = (exported.out / config).glob("train-*")
    columns = leaves(pq.read_metadata(file))
    assert columns[leaf].compression == "UNCOMPRESSED"
    assert not columns[leaf].has_dictionary_page
    assert not columns[leaf].is_stats_set
    assert {c.compression for name, c in columns.items() if name != leaf} == {"ZSTD"}
    assert all(column.has_offset_index for column in columns.values())


@pytest.mark.parametrize("config", ["images", "studies"])
def test_row_groups_hold_a_few_dozen_megabytes(
    config: str, large_release: Path, export_cache: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from cxr_datasets.export import parquet

    assert 20_000_000 <= parquet.GROUP_BYTES <= 50_000_000  # the Hub shows groups of up to 300 MB
    # All sizes are divided: it would take minutes to paint images of real size.
    few = 1_000_000
    monkeypatch.setattr(parquet, "GROUP_BYTES", few)
    export("mimic-cxr-jpg", large_release, tmp_path / "out", config=config, split="train",
           progress=False, cache_dir=export_cache)  # fmt: skip
    (file,) = (tmp_path / "out" / config).glob("train-*")
    metadata = pq.read_metadata(file)
    sizes = [metadata.row_group(n).total_byte_size for n in range(metadata.num_row_groups)]
    assert len(sizes) > 3
    assert max(sizes) < 1.6 * few
    assert sum(sizes) / len(sizes) > few / 2


@pytest.mark.parametrize("config", ["images", "reports"])
def test_a_small_file_has_several_row_groups_of_equal_size(
    config: str, small_release: Path, export_cache: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from cxr_datasets.export import parquet

    def groups(least: int) -> tuple[pa.Table, list[int]]:
        monkeypatch.setattr(parquet, "ROWS_OF_SMALL_GROUPS", least)
        out = tmp_path / str(least)
        export("mimic-cxr-jpg", small_release, out, config=config, split="train", image_size=16,
               progress=False, cache_dir=export_cache)  # fmt: skip
        (file,) = (out / config).glob("*.parquet")
        metadata = pq.read_metadata(file)
        counts = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
        return pq.read_table(file), counts

    whole, (rows,) = groups(64)  # too few rows to be shared out
    same, (*equal, last) = groups(2)
    assert same == whole
    assert len(equal) == 3
    assert set(equal) == {-(-rows // 4)}
    assert last == rows - sum(equal)
    _, (*equal, last) = groups(rows // 2)
    assert set(equal) == {rows // 2}
    assert last <= rows // 2
