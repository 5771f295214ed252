"""What all tests share: no network, no progress bars, and one synthetic release of each dataset."""

from __future__ import annotations

import os

# Before `datasets` is imported, which reads them once.
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from tests.combinations import COSTLY, left_out
from tests.fakes.certificate import trust
from tests.helpers import CRASHES_WITH_DASK, made_once

trust()  # before aiohttp is imported, which reads once whom to trust

# Each process of a run imports all tests. These import `distributed`.
collect_ignore_glob = (
    ["*/export/test_agreement.py", "*/export/test_cluster.py", "*/export/test_encryption.py",
     "*/export/test_slurm.py"]
    if CRASHES_WITH_DASK
    else []
)  # fmt: skip

# The releases are made once in a run, for all processes of it: they are read only.


@pytest.fixture(scope="session")
def mimic_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of 50 patients with its reports as a zip. Read only: change a copy of it."""
    from mimic_cxr_jpg.synthetic import write_release

    return made_once(tmp_path_factory, "mimic", write_release)


@pytest.fixture(scope="session")
def small_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `mimic_release`, of 10 patients: for tests that copy it often. Read only too."""
    from mimic_cxr_jpg.synthetic import write_release

    return made_once(
        tmp_path_factory, "small-mimic", lambda out: write_release(out, patients=10, seed=1)
    )


@pytest.fixture(scope="session")
def indiana_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of 60 studies. Read only: change a copy of it."""
    from indiana_cxr.synthetic import write_release

    return made_once(tmp_path_factory, "indiana", write_release)


@pytest.fixture
def cache(tmp_path: Path) -> str:
    """A cache folder of the test's own, not there yet."""
    return str(tmp_path / "cache")


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait milliseconds before a second try, as many times as users wait seconds."""
    from cxr_datasets.storage import retry

    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(retry, "LONGEST_WAIT", 0.05)


@pytest.fixture(autouse=True)
def processes_for_few_rows(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let `num_proc=2` start processes for the small splits of synthetic releases too."""
    from cxr_datasets.builder import overrides

    if request.node.get_closest_marker("own_processes"):
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overrides, "_ROWS_WORTH_PROCESSES", 0)
        yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out cases that others stand for; see `combinations`."""
    wanted = os.environ.get("CXR_COMBINATIONS")
    if wanted == "all":
        return
    # First, so that none of them is the one case that stands for its test.
    marked = {item.nodeid for item in items if item.get_closest_marker("thorough")}
    names = set() if wanted == "each" else marked
    # pytest has the values of a case only in one name of its own, from which it makes the id.
    values = {
        item.nodeid: item.callspec._idlist
        for item in items
        if hasattr(item, "callspec") and item.nodeid not in names
    }
    costly = set() if wanted == "each" else set(COSTLY.read_text("utf-8").split())
    version = int(metadata.version("datasets").partition(".")[0])
    names |= left_out(values, wanted == "one", costly, version)
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in names])
    items[:] = [item for item in items if item.nodeid not in names]
