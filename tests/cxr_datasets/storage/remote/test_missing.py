"""Images that are not on the server are noticed when they are read. A fault is not absence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cxr_datasets.errors import MissingImagesError, StoreError
from cxr_datasets.export import export
from cxr_datasets.storage.remote import Remote as RemotePlace
from cxr_datasets.testing import rewrite
from tests.fakes.physionet import Fault, NotFound, Reset, Status
from tests.remote import Remote, rows, rows_of, until_it_fails

pytestmark = pytest.mark.usefixtures("login")


@pytest.fixture
def gone(remote: Remote) -> list[str]:
    """Paths of images that are not there: two of one study, and an empty file."""
    studies = list(rows(remote.local("studies", split="train", embed=False)))
    several = next(row["paths"] for row in studies if len(row["paths"]) > 1)
    single = next(row["paths"] for row in reversed(studies) if row["paths"] != several)
    (remote.release / several[0]).unlink()
    (remote.release / several[1]).unlink()
    rewrite(remote.release / single[-1], b"")
    return [*several[:2], single[-1]]


@pytest.mark.parametrize("config", ["images", "studies"])
@pytest.mark.parametrize("missing", ["skip", "null"])
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.usefixtures("gone")
def test_missing_does_the_same_as_locally(
    remote: Remote, config: str, missing: str, streaming: bool
) -> None:
    expected = rows_of(remote.local(config, missing=missing))
    assert rows_of(remote.load(config, missing=missing, streaming=streaming)) == expected
    assert all(expected.values())


@pytest.mark.parametrize("missing", ["skip", "null"])
def test_what_is_not_embedded_is_looked_for_before(
    remote: Remote, gone: list[str], missing: str
) -> None:
    expected = remote.local(split="train", missing=missing)
    found = remote.load(split="train", missing=missing, embed=False)
    assert found["path"] == expected["path"]
    absent = [image is None for image in found.with_format("arrow")[:]["image"].to_pylist()]
    assert sum(absent) == (len(gone) if missing == "null" else 0)
    assert not remote.asked(remote.suffix)


def not_probed(remote: Remote) -> str:
    """An image of the first split that the sample looked at beforehand leaves out."""
    paths = [row["path"] for row in rows(remote.local(split="train"))]
    total = sum(len(split) for split in remote.local().values())
    probed = np.linspace(0, total - 1, RemotePlace.PROBES).astype(int)
    return next(path for number, path in enumerate(paths) if number > 4 and number not in probed)


def test_an_image_that_is_not_there_is_an_error_that_names_it(remote: Remote) -> None:
    path = not_probed(remote)
    expected = list(rows(remote.local(split="train")))
    (remote.release / path).unlink()
    with pytest.raises(MissingImagesError, match=f"{remote.address}/{path} is not there"):
        remote.load()
    found, error = until_it_fails(iter(remote.stream()), MissingImagesError)
    assert f"{remote.address}/{path} is not there" in str(error)
    before = [row["path"] for row in expected].index(path)
    assert [row["path"] for row in found] == [row["path"] for row in expected[:before]]


def test_a_release_without_its_images_is_told_before_anything_is_built(
    remote: Remote, cache: str
) -> None:
    for path in remote.local(split="train")["path"]:
        (remote.release / path).unlink()
    for streaming in (False, True):
        with pytest.raises(MissingImagesError, match="of a sample of"):
            remote.load(streaming=streaming)
    assert not list(Path(cache).rglob("*train*.arrow"))


@pytest.mark.parametrize("missing", ["skip", "null"])
@pytest.mark.parametrize("streaming", [False, True], ids=["built", "streamed"])
def test_where_no_image_is_there_both_choices_are_an_error(
    remote: Remote, missing: str, streaming: bool, cache: str
) -> None:
    for split in remote.local().values():
        for path in split["path"]:
            (remote.release / path).unlink()
    options = {"missing": missing, "streaming": streaming, "split": "train"}
    with pytest.raises(MissingImagesError, match=r"None of the \d+ image files") as caught:
        list(remote.load(**options))
    assert remote.address in str(caught.value)
    assert not list(Path(cache).rglob("*train*.arrow"))


@pytest.mark.parametrize("missing", ["skip", "null"])
@pytest.mark.parametrize("streaming", [False, True], ids=["built", "streamed"])
@pytest.mark.usefixtures("gone")
def test_one_line_counts_what_was_absent(
    remote: Remote, missing: str, streaming: bool, caplog: pytest.LogCaptureFixture
) -> None:
    splits = remote.local(missing="null")
    caplog.clear()
    images = len(splits["train"]) if streaming else sum(map(len, splits.values()))
    with caplog.at_level("WARNING"):
        list(remote.load(missing=missing, streaming=streaming, split="train"))
    (line,) = (text for text in caplog.messages if text.startswith("missing="))
    assert line.startswith(f"missing='{missing}'")
    assert f"3 of {images} images" in line


@pytest.mark.parametrize("streaming", [False, True])
def test_a_404_of_the_moment_counts_as_missing(remote: Remote, streaming: bool) -> None:
    path = not_probed(remote)
    remote.server.fail(path, NotFound(), times=None)
    found = rows_of(remote.load(missing="skip", streaming=streaming))
    expected = rows_of(remote.local())
    expected["train"] = [row for row in expected["train"] if row["path"] != path]
    assert found == expected


@pytest.mark.parametrize("fault", [Status(503), Status(403), Status(401), Reset(50)], ids=repr)
@pytest.mark.parametrize(
    "options",
    [{"missing": "skip"}, {"missing": "null", "streaming": True}],
    ids=["built", "streamed"],
)
def test_a_fault_is_never_taken_for_a_missing_image(
    remote_mimic: Remote, fault: Fault, options: dict[str, Any]
) -> None:
    path = not_probed(remote_mimic)
    remote_mimic.server.fail(path, fault, times=None)
    with pytest.raises(StoreError, match=path):
        rows_of(remote_mimic.load(**options))
    with pytest.raises(StoreError, match=path):
        rows_of(remote_mimic.load(**options, image_size=32))


def test_a_fault_while_looking_for_images_is_no_absence(remote: Remote) -> None:
    path = not_probed(remote)
    remote.server.fail(path, Status(503), times=3)
    found = remote.load(missing="skip", embed=False)
    assert found["train"]["path"] == remote.local(split="train")["path"]
    remote.server.fail(path, Status(503), times=None)
    with pytest.raises(StoreError, match=path):
        remote.load(missing="skip", embed=False)


def test_two_processes_skip_the_same(remote: Remote, gone: list[str]) -> None:
    expected = rows_of(remote.local(missing="skip"))
    assert rows_of(remote.load(missing="skip", num_proc=2)) == expected
    assert gone[0] not in {row["path"] for row in expected["train"]}


@pytest.mark.parametrize("missing", ["skip", "null"])
def test_an_export_without_a_single_image_keeps_no_file_and_later_goes_on(
    remote_mimic: Remote, small_release: Path, tmp_path: Path, missing: str
) -> None:
    given: dict[str, Any] = {
        "data_dir": remote_mimic.address, "out": tmp_path / "out", "cache_dir": remote_mimic.cache,
        "missing": missing, "progress": False,
    }  # fmt: skip
    paths = [path for split in remote_mimic.local().values() for path in split["path"]]
    for path in paths:
        (remote_mimic.release / path).unlink()
    with pytest.raises(MissingImagesError, match=rf"None of the {len(paths)} image files"):
        export("mimic-cxr-jpg", **given)
    assert list((tmp_path / "out").rglob("*.parquet")) == []
    for path in paths[1:]:
        rewrite(remote_mimic.release / path, (small_release / path).read_bytes())
    summary = export("mimic-cxr-jpg", **given)
    assert summary.rows == len(paths) - (missing == "skip")
    assert summary.skipped == (missing == "skip")
