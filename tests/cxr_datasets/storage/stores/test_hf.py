"""Releases in a private dataset repository of the Hugging Face Hub.

Each program runs in a Python of its own: where the Hub is, its client reads once, when imported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.testing import files_under
from tests.cxr_datasets.storage.stores.load_case import CONFIGS, load_local, rows_of
from tests.fakes.hub import Account, Hub, run_client

TOKEN, OTHER = "hf_inventedReader", "hf_inventedStranger"
PACKAGES = {"indiana_cxr": "lab/indiana", "mimic_cxr_jpg": "lab/mimic"}

LOAD = """
import hashlib, importlib, pickle
from datasets import load_dataset
from tests.cxr_datasets.storage.stores.load_case import arrow_rows, decoded, in_fork, rows_of

def digest(rows):
    return hashlib.sha256(repr(rows).encode()).hexdigest()

def load(package, config="images", **options):
    importlib.import_module(package)
    address = options.pop("data_dir", f"hf://datasets/{packages[package]}")
    return load_dataset(package, config, data_dir=address, cache_dir=cache, **options)

def refusal(**options):
    try:
        load(**options)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
"""


@pytest.fixture(scope="module")
def hub(tiny_releases: dict[str, Path]) -> Iterator[Hub]:
    users = {"alice": Account(TOKEN, orgs=("lab",)), "eve": Account(OTHER)}
    with Hub(users) as hub:
        for package, repo in PACKAGES.items():
            folder = tiny_releases[package]
            files = {
                file.relative_to(folder).as_posix(): file.read_bytes()
                for file in folder.rglob("*")
                if file.is_file()
            }
            hub.create(repo, private=True, files=files)
        yield hub


def run(hub: Hub, program: str, folder: Path, **given: Any) -> Any:
    cache = str(folder / "cache")
    return run_client(
        hub, LOAD + program, home=folder / "home", cache=cache, packages=PACKAGES, **given
    )


def digest(rows: Any) -> str:
    return hashlib.sha256(repr(rows).encode()).hexdigest()


@pytest.fixture(scope="module")
def expected(
    tiny_releases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Digests of the local rows, by package and config."""
    cache = str(tmp_path_factory.mktemp("local"))
    return {
        f"{package} {config}": digest(rows_of(load_local(package, release, cache, config)))
        for package, release in tiny_releases.items()
        for config in CONFIGS
    }


def test_rows_are_those_of_the_local_copy_and_a_second_start_reads_no_table(
    hub: Hub, tmp_path: Path, expected: dict[str, str]
) -> None:
    program = """
result = {}
for package in packages:
    for config in ("images", "studies", "reports"):
        rows = load(package, config, streaming=True, storage_options={"token": key})
        result[f"{package} {config}"] = digest(rows_of(rows))
    assert digest(rows_of(load(package, storage_options={"hf": {"token": key}}))) == (
        result[f"{package} images"]
    )
"""
    assert run(hub, program, tmp_path, key=TOKEN) == expected
    tables = hub.asked(r"/resolve/.*\.(csv|gz|zip)$", "GET")
    assert tables
    program = """
result = {}
for package in packages:
    result[f"{package} images"] = digest(rows_of(load(package, streaming=True)))
"""
    again = run(hub, program, tmp_path, token=TOKEN)  # found in the environment
    assert again == {name: expected[name] for name in again}
    assert hub.asked(r"/resolve/.*\.(csv|gz|zip)$", "GET") == tables
    found = {file: (tmp_path / file).read_bytes() for file in files_under(tmp_path)}
    assert any(name.endswith(".arrow") for name in found)
    assert [name for name, content in found.items() if TOKEN.encode() in content] == []


def test_the_token_goes_to_workers_and_addresses_but_into_no_pickle_or_message(
    hub: Hub, tmp_path: Path, expected: dict[str, str]
) -> None:
    program = """
from cxr_datasets.errors import StoreError
stream = load("indiana_cxr", streaming=True, token=key)
next(iter(stream["train"]))
pickled = pickle.dumps(stream)
built = load("indiana_cxr", token=key, num_proc=2)
kept = load("indiana_cxr", token=key, embed=False)
images = [image.tolist() for image in decoded(kept["train"])]
result = {
    "rows": digest(rows_of(stream)),
    "forked": digest(in_fork(lambda: rows_of(pickle.loads(pickled)))),
    "built": digest(rows_of(built)),
    "addresses": sorted({row["image"]["path"][:26] for row in arrow_rows(kept["train"])}),
    "decoded": [image.tolist() for image in decoded(built["train"])] == images,
    "decoded in a fork": in_fork(lambda: [i.tolist() for i in decoded(kept["train"])]) == images,
    "leaks": [
        name
        for name, content in {
            "stream": pickled, "kept": pickle.dumps(kept), "shown": repr((stream, kept)).encode()
        }.items()
        if key.encode() in content
    ],
}
"""
    rows = expected["indiana_cxr images"]
    assert run(hub, program, tmp_path, key=TOKEN) == {
        "rows": rows, "forked": rows, "built": rows, "addresses": ["hf://datasets/lab/indiana/"],
        "decoded": True, "decoded in a fork": True, "leaks": [],
    }  # fmt: skip


def test_a_login_that_does_not_reach_is_explained(hub: Hub, tmp_path: Path) -> None:
    program = """
result = [
    refusal(package=package, streaming=True, **options)
    for package in packages
    for options in (
        {}, {"token": other}, {"token": "hf_nonsense"}, {"storage_options": {"token": other}},
        {"data_dir": "hf://datasets/lab/absent", "token": key},
    )
]
"""
    errors = run(hub, program, tmp_path, key=TOKEN, other=OTHER)
    repos = [repo for repo in PACKAGES.values() for _ in range(5)]
    for error, repo in zip(errors, repos, strict=True):
        assert error.startswith("StoreError: hf://datasets/")
        assert "may not be read" in error
        assert "Pass token=, or log in" in error
        assert repo in error or "lab/absent" in error
        assert not any(token in error for token in (TOKEN, OTHER, "hf_nonsense"))


def test_a_table_and_an_image_changed_by_a_commit_are_noticed(
    tiny_releases: dict[str, Path], hub: Hub, tmp_path: Path
) -> None:
    release = tiny_releases["indiana_cxr"]
    reports = (release / "indiana_reports.csv").read_bytes()
    program = """
result = [row["findings"] for row in rows_of(load("indiana_cxr", "reports", token=key))]
"""
    before = run(hub, program, tmp_path, key=TOKEN)
    hub.put("lab/indiana", {"indiana_reports.csv": reports.replace(b" the ", b" THE ")})
    try:
        after = run(hub, program, tmp_path, key=TOKEN)
    finally:
        hub.put("lab/indiana", {"indiana_reports.csv": reports})
    assert before != after
    assert [text and text.replace(" THE ", " the ") for text in after] == before
