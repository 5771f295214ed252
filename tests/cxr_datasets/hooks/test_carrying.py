"""Rows of a credentialed dataset carry the address of its agreement, whatever becomes of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, DatasetDict, concatenate_datasets, interleave_datasets, load_dataset
from datasets.distributed import split_dataset_by_node

import indiana_cxr  # noqa: F401
import mimic_cxr_jpg
from cxr_datasets.export import export
from cxr_datasets.hooks.agreements import (
    agreements_in,
    agreements_of,
    license_in,
    license_text,
)

AGREEMENT = mimic_cxr_jpg.mimic_cxr_jpg.MimicCxrJpg.AGREEMENT

COLUMNS = ["study_id", "findings"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def splits(small_release: Path, cache: str) -> DatasetDict:
    return load_dataset("mimic_cxr_jpg", "reports", data_dir=str(small_release), cache_dir=cache)


@pytest.fixture(scope="module")
def rows(splits: DatasetDict) -> Dataset:
    return splits["train"].select_columns(COLUMNS)


@pytest.fixture(scope="module")
def stream(small_release: Path, cache: str) -> Any:
    options: dict[str, Any] = {"data_dir": str(small_release), "cache_dir": cache}
    streamed = load_dataset("mimic_cxr_jpg", "reports", split="train", streaming=True, **options)
    return streamed.select_columns(COLUMNS)


@pytest.fixture(scope="module")
def free(indiana_release: Path, cache: str) -> Dataset:
    options: dict[str, Any] = {"data_dir": str(indiana_release), "cache_dir": cache}
    return load_dataset("indiana_cxr", "reports", split="train", **options).select_columns(COLUMNS)


def test_the_agreement_stands_in_the_licence_of_every_config(
    small_release: Path, cache: str, indiana_release: Path
) -> None:
    for package, release, expected in (
        ("mimic_cxr_jpg", small_release, [AGREEMENT]), ("indiana_cxr", indiana_release, []),
    ):  # fmt: skip
        for config in ("images", "studies", "reports"):
            for streaming in (False, True):
                loaded = load_dataset(
                    package, config, data_dir=str(release), cache_dir=cache, streaming=streaming
                )
                for split in loaded.values():
                    assert agreements_in(split.info.license) == expected
                assert agreements_of(loaded) == expected
                assert split.info.license.startswith(("PhysioNet Credentialed", "CC BY-NC-ND"))


Step = Callable[[Any, Any, Path], Any]

BOTH: dict[str, Step] = {
    "map": lambda rows, free, _: rows.map(lambda row: {"words": len(row["findings"] or "")}),
    "map to other columns": lambda rows, free, _: rows.map(
        lambda batch: {"n": [len(batch["study_id"])]}, batched=True, remove_columns=COLUMNS
    ),
    "filter": lambda rows, free, _: rows.filter(lambda row: row["study_id"] > 0),
    "shuffle": lambda rows, free, _: rows.shuffle(seed=1),
    "take": lambda rows, free, _: rows.take(2),
    "skip": lambda rows, free, _: rows.skip(1),
    "repeat": lambda rows, free, _: rows.repeat(2),
    "cast": lambda rows, free, _: rows.cast(
        datasets.Features({name: datasets.Value("large_string") for name in COLUMNS})
    ),
    "cast_column": lambda rows, free, _: rows.cast_column("study_id", datasets.Value("string")),
    "remove_columns": lambda rows, free, _: rows.remove_columns("findings"),
    "select_columns": lambda rows, free, _: rows.select_columns("findings"),
    "rename_column": lambda rows, free, _: rows.rename_column("study_id", "n"),
    "rename_columns": lambda rows, free, _: rows.rename_columns({"study_id": "n"}),
    "with_format": lambda rows, free, _: rows.with_format("arrow"),
    "batch": lambda rows, free, _: rows.select_columns("study_id").batch(2),
    "a node": lambda rows, free, _: split_dataset_by_node(rows, 0, 1),
    "concatenate before": lambda rows, free, _: concatenate_datasets([rows, free]),
    "concatenate after": lambda rows, free, _: concatenate_datasets([free, rows]),
    "concatenate columns": lambda rows, free, _: concatenate_datasets(
        [free.rename_columns({"study_id": "a", "findings": "b"}), rows], axis=1
    ),
    "interleave before": lambda rows, free, _: interleave_datasets([rows, free]),
    "interleave after": lambda rows, free, _: interleave_datasets([free, rows]),
    "interleave by chance": lambda rows, free, _: interleave_datasets(
        [free, rows], probabilities=[0.5, 0.5], seed=1
    ),
}  # fmt: skip

BUILT: dict[str, Step] = {
    "select": lambda rows, free, _: rows.select([2, 0]),
    "sort": lambda rows, free, _: rows.sort("study_id"),
    "flatten": lambda rows, free, _: rows.flatten(),
    "flatten_indices": lambda rows, free, _: rows.select([1, 0]).flatten_indices(),
    "shard": lambda rows, free, _: rows.shard(2, 1),
    "train_test_split": lambda rows, free, _: DatasetDict(rows.train_test_split(0.5)),
    "add_column": lambda rows, free, _: rows.add_column("n", list(range(len(rows)))),
    "add_item": lambda rows, free, _: rows.add_item({"study_id": 1, "findings": None}),
    "class_encode_column": lambda rows, free, _: rows.class_encode_column("study_id"),
    "with_transform": lambda rows, free, _: rows.with_transform(lambda batch: batch),
    "save_to_disk": lambda rows, free, folder: _saved(rows, folder),
    "save_to_disk of splits": lambda rows, free, folder: _saved(DatasetDict(a=rows), folder),
    "map of splits": lambda rows, free, _: DatasetDict(a=free, b=rows).map(lambda row: {"n": 1}),
    "to_iterable_dataset": lambda rows, free, _: rows.to_iterable_dataset(),
    "to_iterable_dataset in shards": lambda rows, free, _: rows.to_iterable_dataset(
        num_shards=2
    ).shuffle(seed=1),
}


def _saved(rows: Any, folder: Path) -> Any:
    rows.save_to_disk(str(folder / "saved"))
    return datasets.load_from_disk(str(folder / "saved"))


@pytest.mark.parametrize("step", [*BOTH, *BUILT])
def test_rows_keep_their_agreement(step: str, rows: Dataset, free: Dataset, tmp_path: Path) -> None:
    changed = {**BOTH, **BUILT}[step](rows, free.select(range(len(rows))), tmp_path)
    assert agreements_of(changed) == [AGREEMENT]


@pytest.mark.parametrize("step", BOTH)
def test_streams_keep_their_agreement(
    step: str, stream: Any, free: Dataset, tmp_path: Path
) -> None:
    changed = BOTH[step](stream, free.to_iterable_dataset(), tmp_path)
    assert agreements_of(changed) == [AGREEMENT]


def test_rows_that_anybody_may_have_get_no_agreement(free: Dataset, tmp_path: Path) -> None:
    for step in ("map", "shuffle", "to_iterable_dataset", "save_to_disk"):
        assert agreements_of({**BOTH, **BUILT}[step](free, free, tmp_path)) == []


def test_agreements_of_several_datasets_are_all_there(rows: Dataset) -> None:
    other = Dataset.from_dict({name: rows[name][:2] for name in COLUMNS})
    other.info.license = license_text("Another", "https://example.org/agreement")
    other = other.cast(rows.features)
    both = concatenate_datasets([rows, other, rows])
    assert agreements_of(both) == [AGREEMENT, "https://example.org/agreement"]


@pytest.fixture(scope="module")
def exported(small_release: Path, tmp_path_factory: pytest.TempPathFactory, cache: str) -> Path:
    out = tmp_path_factory.mktemp("export") / "out"
    export("mimic-cxr-jpg", small_release, out, config="reports", cache_dir=cache, progress=False)
    return out


WAYS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "folder": lambda out: {"path": str(out)},
    "folder of files": lambda out: {"path": "parquet", "data_dir": str(out / "reports")},
    "files": lambda out: {"path": "parquet", "data_files": str(out / "reports" / "*.parquet")},
    "after others": lambda out: {
        "path": "parquet",
        "data_files": [str(_another(out)), *map(str, sorted(out.glob("reports/*.parquet")))],
    },
}


def _another(out: Path) -> Path:
    """A file of the same columns that is nobody's, in another folder."""
    file = out.parent / "another" / "0.parquet"
    file.parent.mkdir(exist_ok=True)
    (first, *_) = sorted(out.glob("reports/*.parquet"))
    pq.write_table(pq.read_table(first).replace_schema_metadata(None), file)
    return file


@pytest.mark.parametrize("streaming", [False, True], ids=["built", "streamed"])
@pytest.mark.parametrize("way", WAYS)
def test_an_export_loaded_again_has_its_agreement(
    way: str, streaming: bool, exported: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"streaming": streaming, "cache_dir": str(tmp_path)}
    loaded = load_dataset(**WAYS[way](exported), **options)
    assert agreements_of(loaded) == [AGREEMENT]
    for split in loaded.values():
        assert agreements_of(split.map(lambda row: row)) == [AGREEMENT]
    again = load_dataset(**WAYS[way](exported), **options)  # from the cache
    assert agreements_of(again) == [AGREEMENT]


def test_an_export_built_before_the_import_has_its_agreement_after_it(
    exported: Path, tmp_path: Path
) -> None:
    from cxr_datasets.hooks import carrying

    options: dict[str, Any] = {"data_dir": str(exported / "reports"), "cache_dir": str(tmp_path)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(carrying, "_schemas", lambda builder: ())
        assert agreements_of(load_dataset("parquet", **options)) == []
    assert agreements_of(load_dataset("parquet", **options)) == [AGREEMENT]


def test_parquet_files_keep_the_agreement_for_those_who_load_them(
    rows: Dataset, stream: Any, free: Dataset, tmp_path: Path
) -> None:
    writers: dict[str, Any] = {"rows": rows, "shuffled": rows.shuffle(seed=1)}
    if hasattr(datasets.IterableDataset, "to_parquet"):
        writers["stream"] = stream
    for name, writer in writers.items():
        file = tmp_path / f"{name}.parquet"
        writer.to_parquet(str(file))
        again = Dataset.from_parquet(str(file), cache_dir=str(tmp_path))
        assert agreements_of(again) == [AGREEMENT], name
        assert again.features == rows.features
        assert again.sort("study_id")[:] == rows.sort("study_id")[:]
    free.to_parquet(str(tmp_path / "free.parquet"))
    assert b"license" not in pq.read_schema(tmp_path / "free.parquet").metadata[b"huggingface"]


@pytest.mark.parametrize(
    "note", [b"", b"[]", b"null", b"{", b'{"info": []}', b'{"info": {"license": 3}}', b"\xff"]
)
def test_a_note_of_another_kind_names_no_licence(note: bytes) -> None:
    assert license_in({b"huggingface": note}) == ""
    assert license_in({}) == license_in(None) == ""


@pytest.mark.parametrize("note", [None, b'{"other": 1}', b'{"info": {"license": "MIT"}}'])
def test_files_of_others_load_as_before(note: bytes | None, tmp_path: Path) -> None:
    table = pa.table({"n": [1, 2]})
    if note is not None:
        table = table.replace_schema_metadata({"huggingface": note})
    pq.write_table(table, tmp_path / "a.parquet")
    for streaming in (False, True):
        loaded = load_dataset(
            "parquet", data_files=str(tmp_path / "a.parquet"), split="train", streaming=streaming,
            cache_dir=str(tmp_path / "cache"),
        )  # fmt: skip
        assert list(loaded) == [{"n": 1}, {"n": 2}]
        assert agreements_of(loaded) == []


def test_a_file_that_cannot_be_read_is_left_to_datasets_to_tell(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"no Parquet")
    with pytest.raises(Exception) as told:
        load_dataset("parquet", data_files=str(tmp_path / "a.parquet"), cache_dir=str(tmp_path))
    assert "cxr_datasets" not in str(told.value)


def test_one_file_of_each_folder_is_looked_at_and_no_more(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cxr_datasets.hooks import carrying

    looked: list[str] = []
    original = carrying._schema
    monkeypatch.setattr(
        carrying,
        "_schema",
        lambda address, *rest: looked.append(address) or original(address, *rest),
    )
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for number in range(3):
            pq.write_table(pa.table({"n": [number]}), tmp_path / folder / f"{number}.parquet")
    with contextlib.suppress(StopIteration):
        load_dataset(
            "parquet", data_files=str(tmp_path / "*" / "*.parquet"), split="train", streaming=True
        )
    assert looked == [str(tmp_path / "a" / "0.parquet"), str(tmp_path / "b" / "0.parquet")]
