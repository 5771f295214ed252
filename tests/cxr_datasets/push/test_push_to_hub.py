"""The plain `ds.push_to_hub` of a loaded dataset sends the images too."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import datasets
import pytest

from cxr_datasets.testing import copy_release
from tests.fakes.hub import Account, Hub, run_client

RELEASES = ("mimic", "indiana", "archive")
"""What is pushed: images in a folder, of both datasets, and images in an archive."""

CONFIGS = ("images", "studies", "reports")

KINDS = [
    *("splits", "split"),
    *(("stream",) if hasattr(datasets.IterableDataset, "push_to_hub") else ()),
]
"""A DatasetDict, a Dataset, and a stream where this version of `datasets` can push one."""

# Digests of a dataset; the same lines make them of what was pushed and of the copy.
DIGESTS = """
import hashlib, json
from pathlib import Path

import datasets, fsspec

def content(image):
    if image is None or image["bytes"] is not None:
        return image and image["bytes"]
    if "://" not in image["path"]:
        return Path(image["path"]).read_bytes()
    with fsspec.open(image["path"]) as file:
        return file.read()

def told(name, value):
    if name == "image":
        value = content(value)
    if name == "images":
        value = [content(image) for image in value]
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]

def digests(split):
    rows = split.with_format("arrow")[:].to_pylist()
    return {
        "columns": {name: [told(name, row[name]) for row in rows] for name in split.column_names},
        "features": json.dumps(split.features.to_dict(), sort_keys=True),
        "decoded": [
            image.mode
            for row in split.select(range(2))
            for image in row.get("images", [row["image"]] if "image" in row else [])
        ],
    }
"""

PUSH = """
import datasets
import indiana_cxr, mimic_cxr_jpg

for name, config, kind in wanted:
    package, data_dir = releases[name]
    options = dict(data_dir=data_dir, cache_dir="cache", streaming=kind == "stream")
    pushed = datasets.load_dataset(package, config, **options)
    pushed = pushed if kind == "splits" else pushed["train"]
    pushed.push_to_hub(f"alice/{name}-{config}-{kind}", private=True)
"""

LOAD = """
import sys

def embedded(split):
    for row in split.with_format("arrow")[:].to_pylist():
        for image in row.get("images", [row["image"]] if "image" in row else []):
            if image["bytes"] is None or "/" in image["path"]:
                return False
    return True

result = {}
for repo in repos:
    copy = datasets.load_dataset(repo)
    result[repo] = {
        "splits": {name: digests(split) for name, split in copy.items()},
        "embedded": all(map(embedded, copy.values())),
    }
assert not {"cxr_datasets", "indiana_cxr", "mimic_cxr_jpg"} & set(sys.modules)
"""


@pytest.fixture(scope="module")
def releases(
    small_release: Path, indiana_release: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[str, str]]:
    """Package and `data_dir` by name."""
    from indiana_cxr.synthetic import write_release

    packed = write_release(tmp_path_factory.mktemp("release") / "indiana", studies=20, layout="zip")
    return {
        "mimic": ("mimic_cxr_jpg", str(small_release)),
        "indiana": ("indiana_cxr", str(indiana_release)),
        "archive": ("indiana_cxr", str(packed / "archive.zip")),
    }


@pytest.fixture(scope="module")
def wanted(request: pytest.FixtureRequest) -> list[tuple[str, str, str]]:
    """Release, config and kind of the cases that are run, for one process to push them all."""
    return [
        tuple(item.callspec.params[name] for name in ("release", "config", "kind"))
        for item in request.session.items
        if item.parent is request.node and hasattr(item, "callspec")
    ]


@pytest.fixture(scope="module")
def copies(
    releases: dict[str, tuple[str, str]], wanted: list[tuple[str, str, str]]
) -> dict[str, Any]:
    """Digests of each repository, loaded in a process that imports nothing of this project."""
    arguments = {"releases": releases, "wanted": wanted}
    with Hub({"alice": Account("hf_alice")}) as hub:
        run_client(hub, PUSH, token="hf_alice", timeout=120, **arguments)
        assert all(repo.private for repo in hub.repos.values())
        program = DIGESTS + LOAD
        return run_client(hub, program, token="hf_alice", timeout=120, repos=list(hub.repos))


@pytest.fixture(scope="module")
def originals(
    releases: dict[str, tuple[str, str]],
    wanted: list[tuple[str, str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """Digests of the datasets that were pushed."""
    names: dict[str, Any] = {}
    exec(DIGESTS, names)
    cache = str(tmp_path_factory.mktemp("cache"))
    found = {}
    for name, config in {(name, config) for name, config, _ in wanted}:
        package, data_dir = releases[name]
        importlib.import_module(package)
        splits = datasets.load_dataset(package, config, data_dir=data_dir, cache_dir=cache)
        found[f"{name}-{config}"] = {k: names["digests"](split) for k, split in splits.items()}
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("release", RELEASES)
def test_a_pushed_dataset_loads_back_with_its_images_where_this_project_is_not(
    release: str, config: str, kind: str, copies: dict[str, Any], originals: dict[str, Any]
) -> None:
    original = originals[f"{release}-{config}"]
    copy = copies[f"alice/{release}-{config}-{kind}"]
    assert copy["embedded"]
    assert list(copy["splits"]) == (list(original) if kind == "splits" else ["train"])
    for name, split in copy["splits"].items():
        assert split == original[name]
        assert set(split["decoded"]) == (set() if config == "reports" else {"L"})
        assert ("ClassLabel" in split["features"]) == (config != "reports")


def test_nulls_and_images_made_smaller_are_pushed_too(small_release: Path, tmp_path: Path) -> None:
    release = copy_release(small_release, tmp_path / "release")
    min(release.glob("files/*/*/*/*.jpg")).unlink()
    with Hub({"alice": Account("hf_alice")}) as hub:
        result = run_client(
            hub,
            """
            import datasets
            import mimic_cxr_jpg
            splits = datasets.load_dataset(
                "mimic_cxr_jpg", data_dir=data_dir, missing="null", image_size=32, cache_dir="cache"
            )
            splits.push_to_hub("alice/films", private=True)
            images = [
                row["image"]
                for split in datasets.load_dataset("alice/films").values() for row in split
            ]
            sides = sorted({min(image.size) for image in images if image})
            result = [len(images), images.count(None), sides]
            """,
            token="hf_alice",
            data_dir=str(release),
        )
    assert result == [44, 1, [32]]
