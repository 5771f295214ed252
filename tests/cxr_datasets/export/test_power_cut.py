"""After a power cut at any moment an export goes on, and ends with the bytes of one without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_datasets.export import ExportSummary, export, sinks
from tests.cxr_datasets.export.conftest import contents, finished
from tests.power_cut import PowerCuts, State

Write = Callable[..., ExportSummary]

ALIKE = ("/unfinished/", "/lock")
"""Files of an export whose contents nobody reads."""


@pytest.fixture(scope="module")
def write(small_release: Path, export_cache: str) -> Write:
    """An export of a few small files."""

    def write(out: Path, cache: str | Path = export_cache) -> ExportSummary:
        return export("mimic-cxr-jpg", small_release, out, config="reports", progress=False,
                      cache_dir=str(cache))  # fmt: skip

    return write


@pytest.fixture(scope="module")
def whole(write: Write, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files of an export without a power cut."""
    out = tmp_path_factory.mktemp("whole") / "out"
    write(out)
    return contents(out)


@pytest.fixture
def cuts(tmp_path: Path) -> PowerCuts:
    (tmp_path / "disk").mkdir()
    return PowerCuts(tmp_path / "disk")


def after(state: State, disk: Path, write: Write) -> tuple[dict[str, str], ExportSummary, int]:
    """Files after the export went on, what it says, and how many files were noted before."""
    state.write_to(disk)
    noted = sum((disk / "out" / name).exists() for name in whole_lines(disk / "out"))
    summary = write(disk / "out")
    return contents(disk / "out"), summary, noted


def whole_lines(out: Path) -> list[str]:
    try:
        return finished(out, "reports")
    except ValueError:  # torn
        return []


def test_after_a_power_cut_at_any_moment_it_goes_on_to_the_same_bytes(
    cuts: PowerCuts, write: Write, whole: dict[str, str], tmp_path: Path
) -> None:
    with cuts:
        write(tmp_path / "disk" / "out")
    states = list(cuts.states(ALIKE))
    assert cuts.moments > 25
    assert len(states) > 15
    for number, state in enumerate(states):
        files, summary, noted = after(state, tmp_path / str(number), write)
        assert files == whole, (state.when, state.lost)
        assert summary.written <= summary.files - noted


def test_of_an_export_that_has_ended_a_power_cut_takes_nothing(
    cuts: PowerCuts, write: Write, whole: dict[str, str], tmp_path: Path
) -> None:
    with cuts:
        write(tmp_path / "disk" / "out")
    cuts.certain().write_to(tmp_path / "after")
    assert contents(tmp_path / "after" / "out") == whole


def test_the_simulation_notices_an_export_that_does_not_wait_for_the_disk(
    cuts: PowerCuts, write: Write, whole: dict[str, str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(sinks, "sync", lambda descriptor: None)
    with cuts:
        write(tmp_path / "disk" / "out")
    late = [state for state in cuts.states(ALIKE) if state.lost == "bytes, and there are zeros"][-1]
    late.write_to(tmp_path / "after")
    assert contents(tmp_path / "after" / "out") != whole


def test_files_of_the_cache_that_a_power_cut_emptied_are_made_anew(
    cuts: PowerCuts, write: Write, whole: dict[str, str], tmp_path: Path
) -> None:
    with cuts:
        write(tmp_path / "out", tmp_path / "disk" / "cache")
    states = list(cuts.states(["/.locks/", ".lock"]))
    assert len(states) > 4
    for number, state in enumerate(states):
        state.write_to(tmp_path / str(number))
        write(tmp_path / f"out-{number}", tmp_path / str(number) / "cache")
        assert contents(tmp_path / f"out-{number}") == whole, (state.when, state.lost)
