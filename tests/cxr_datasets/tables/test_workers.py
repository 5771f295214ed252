"""Who does the work on tables: threads, or for small ones the thread that asks."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import fsspec
import pytest
from datasets import load_dataset

from cxr_datasets.builder import rows
from cxr_datasets.errors import TableError
from cxr_datasets.storage.source import open_place
from cxr_datasets.tables import workers
from mimic_cxr_jpg.join import TableReads
from mimic_cxr_jpg.tables import find_tables

NAMES = ("a.csv.gz", "b.csv.gz")


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all tables count as large."""
    monkeypatch.setattr(workers, "SMALL_FILES", -1)
    monkeypatch.setattr(rows, "SMALL_TABLE", -1)


def test_small_tables_are_worked_on_by_the_thread_that_asks() -> None:
    with workers.workers(small=True) as pool:
        assert pool.submit(threading.get_ident).result() == threading.get_ident()


def test_large_tables_are_worked_on_by_threads() -> None:
    with workers.workers(small=False) as pool:
        assert pool.submit(threading.get_ident).result() != threading.get_ident()


@pytest.mark.parametrize("small", [True, False])
def test_an_error_is_met_by_who_asks_for_the_result(small: bool) -> None:
    with workers.workers(small) as pool:
        first, second = pool.submit(int, "x"), pool.submit(int, "1")
        assert second.result() == 1
        with pytest.raises(ValueError, match="'x'"):
            first.result()


def test_an_interruption_ends_work_that_is_done_here() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), workers.workers(small=True) as pool:
        pool.submit(interrupted)


@pytest.mark.parametrize(("size", "expected"), [(workers.SMALL_FILES // 2, True), (2**20, False)])
def test_all_files_together_are_small_up_to_a_mebibyte(
    tmp_path: Path, size: int, expected: bool
) -> None:
    for name in NAMES:
        (tmp_path / name).write_bytes(bytes(size))
    source = open_place(str(tmp_path))
    assert workers.are_small([(source, name) for name in (*NAMES, "not there")]) is expected


def test_small_tables_of_a_store_are_read_by_threads_of_their_own(mimic_release: Path) -> None:
    seen: set[int] = set()
    files = fsspec.filesystem("memory")
    files.put(f"{mimic_release}/*.csv*", "/tables/", recursive=False)
    source = open_place("memory://tables")

    class Watched(type(source)):  # type: ignore[misc]
        def read(self, *args: object, **kwargs: object) -> bytes:
            seen.add(threading.get_ident())
            return super().read(*args, **kwargs)  # type: ignore[no-any-return]

    watched = Watched(source.root, source.options, source.connections)
    reads = TableReads(watched, find_tables(watched))
    reads.metadata.result()
    files.rm("/tables", recursive=True)
    assert reads.are_small
    assert seen
    assert threading.get_ident() not in seen


@pytest.mark.parametrize("config", ["images", "reports"])
def test_threads_give_the_same_rows(
    mimic_release: Path, tmp_path: Path, request: pytest.FixtureRequest, config: str
) -> None:
    def built(name: str) -> list[dict[str, object]]:
        given = load_dataset(
            "mimic_cxr_jpg", config, data_dir=str(mimic_release), cache_dir=str(tmp_path / name)
        )
        return [
            row for split in given.values() for row in split.with_format("arrow")[:].to_pylist()
        ]

    here = built("here")
    request.getfixturevalue("threads")
    assert built("threads") == here


@pytest.mark.parametrize("fixture", [None, "threads"])
def test_of_several_broken_tables_always_the_same_is_named(
    small_release: Path, tmp_path: Path, request: pytest.FixtureRequest, fixture: str | None
) -> None:
    root = shutil.copytree(small_release, tmp_path / "copy")
    for table in ("chexpert", "negbio", "metadata"):
        (root / f"mimic-cxr-2.0.0-{table}.csv.gz").write_bytes(b"x\n1\n")
    if fixture:
        request.getfixturevalue(fixture)
    with pytest.raises(TableError, match=r"-metadata\.csv\.gz"):
        load_dataset("mimic_cxr_jpg", data_dir=str(root), cache_dir=str(tmp_path / "cache"))
