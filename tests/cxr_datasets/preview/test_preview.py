"""`cxr preview`: every kind of place, who may read the page, and nothing written after an error."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cxr_datasets.cli import main
from cxr_datasets.errors import OptionError, ReleaseError, StoreError
from cxr_datasets.export import export
from cxr_datasets.preview import preview, stats
from tests.browser import Browser
from tests.fakes.s3 import S3
from tests.modes import umask
from tests.permissions import stopped_by_permissions

HOSTILE = "</script><script>hacked = 1</script><img src=x onerror=hacked=2><!-- {{meta}} ___ XXXX"


@pytest.fixture(scope="module")
def small_indiana(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of 12 studies."""
    out = tmp_path_factory.mktemp("indiana") / "release"
    assert main(["synthesize", "indiana-cxr", str(out), "--studies", "12"]) == 0
    return out


def meta(page: Path) -> dict[str, Any]:
    """What the scripts of a page read."""
    (found,) = re.findall(
        '<script type="application/json" id="meta">(.*?)</script>', page.read_text(), re.DOTALL
    )
    return json.loads(found)


# --- places ---------------------------------------------------------------------------------------


def test_a_page_of_a_release_counts_what_stats_counts(small_indiana: Path, tmp_path: Path) -> None:
    page = tmp_path / "preview.html"
    summary = preview(small_indiana, out=page, studies=5)
    (counts,) = stats(small_indiana).splits.query("split == 'all'").to_dict("records")
    assert (summary.images, summary.studies, summary.patients) == (
        counts["images"], counts["studies"], counts["patients"],
    )  # fmt: skip
    assert summary.samples == len(meta(page)["samples"]) == 5
    assert summary.absent == 0
    assert summary.bytes == page.stat().st_size
    assert "Credentialed" not in page.read_text()


@pytest.mark.parametrize("config", ["images", "studies", "reports"])
def test_a_page_of_an_export_shows_the_studies_of_the_release(
    small_indiana: Path, tmp_path: Path, config: str
) -> None:
    export("indiana-cxr", small_indiana, tmp_path / "out", config=config, progress=False)
    pages = [tmp_path / "release.html", tmp_path / "export.html"]
    of_release = preview(small_indiana, out=pages[0], studies=4)
    of_export = preview(tmp_path / "out", out=pages[1], studies=4)
    assert (of_export.studies, of_export.patients) == (of_release.studies, of_release.patients)
    one, other = (meta(page)["samples"] for page in pages)
    if config == "reports":
        assert of_export.images == of_export.pictures == 0
        assert not meta(pages[1])["hasImages"]
        one, other = ([without_images(sample) for sample in some] for some in (one, other))
    else:
        assert of_export.images == of_release.images
    assert {sample["study"]: sample for sample in other} == {
        sample["study"]: sample for sample in one
    }


def without_images(sample: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sample.items() if name != "images"}


def test_a_page_of_a_bucket_is_that_of_the_folder(small_indiana: Path, tmp_path: Path) -> None:
    with S3() as s3:
        s3.place("releases", "indiana", small_indiana)
        reader = {**s3.user("reader", read=["releases"]), "endpoint_url": s3.url}
        options = tmp_path / "options.json"
        options.write_text(json.dumps(reader))
        page = tmp_path / "remote.html"
        words = ["preview", "s3://releases/indiana", "--out", str(page), "--studies", "3"]
        assert main([*words, "--storage-options", str(options)]) == 0
        read = [one.path for one in s3.requests if one.method == "GET" and ".png" in one.path]
    preview(small_indiana, out=tmp_path / "local.html", studies=3)
    assert meta(page) == meta(tmp_path / "local.html")
    assert reader["secret"] not in page.read_text()
    shown = [image for sample in meta(page)["samples"] for image in sample["images"]]
    assert len(read) == len(set(read)) == len(shown) < 30


def test_of_a_part_of_a_copy_those_studies_are_shown_whose_images_are_there(
    small_release: Path, tmp_path: Path
) -> None:
    part = tmp_path / "part"
    shutil.copytree(small_release, part)
    images = sorted(part.rglob("*.jpg"))
    for image in images[3:]:
        image.unlink()
    summary = preview(part, out=tmp_path / "page.html", studies=2)
    assert summary.pictures > 0
    samples = meta(tmp_path / "page.html")["samples"]
    assert all(any(image["src"] for image in sample["images"]) for sample in samples)
    for image in images[:3]:
        image.unlink()
    summary = preview(part, out=tmp_path / "page.html", studies=2)
    assert (summary.pictures, summary.samples) == (0, 2)
    assert summary.absent > 0
    assert "are not there" in str(summary)


def test_an_invented_release_needs_no_place_and_its_page_says_that_it_is_invented(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "preview.html"
    words = ["preview", "--synthetic", "--dataset", "indiana-cxr", "--out", str(page)]
    assert main([*words, "--studies", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["dataset"] == "indiana-cxr"
    assert told["samples"] == 2
    assert "Invented data." in page.read_text()
    assert sorted(tmp_path.iterdir()) == [page]


def test_only_the_splits_that_are_asked_for_are_shown(small_release: Path, tmp_path: Path) -> None:
    summary = preview(small_release, out=tmp_path / "one.html", split="test")
    assert meta(tmp_path / "one.html")["splits"] == ["test"]
    (counts,) = stats(small_release).splits.query("split == 'test'").to_dict("records")
    assert summary.studies == counts["studies"] == summary.samples


def test_options_of_the_dataset_decide_what_is_shown(small_indiana: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    words = ["preview", str(small_indiana), "--out", str(page), "--studies", "2"]
    assert main([*words, "--option", "split-by=hash"]) == 0
    assert len(meta(page)["splits"]) > 1
    assert main([*words, "--option", "split_by"]) == 2


def test_the_seed_decides_which_studies_are_shown(small_indiana: Path, tmp_path: Path) -> None:
    chosen = []
    for seed in (0, 0, 2):
        preview(small_indiana, out=tmp_path / "page.html", studies=3, seed=seed)
        chosen.append([sample["study"] for sample in meta(tmp_path / "page.html")["samples"]])
    assert chosen[0] == chosen[1] != chosen[2]


# --- what must not be seen ------------------------------------------------------------------------


def test_a_page_of_credentialed_data_is_closed_and_says_so(
    small_release: Path, tmp_path: Path
) -> None:
    page = tmp_path / "preview.html"
    tmp_path.chmod(0o755)
    with umask(0):
        page.write_text('<meta name="generator" content="cxr preview">')  # open, of an older run
        preview(small_release, out=page, studies=1)
    assert stat.S_IMODE(page.stat().st_mode) == 0o640
    text = page.read_text()
    assert "Credentialed data." in text
    assert "https://physionet.org/content/mimic-cxr-jpg/view-dua/2.1.0/" in text


def test_a_page_of_open_data_is_as_the_umask_says(small_indiana: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)  # in a folder that is closed everything is
    with umask(0o022):
        preview(small_indiana, out=tmp_path / "preview.html", studies=1)
    assert stat.S_IMODE((tmp_path / "preview.html").stat().st_mode) == 0o644


def test_a_page_holds_ids_and_texts_of_its_samples_only(
    small_release: Path, tmp_path: Path
) -> None:
    page = tmp_path / "preview.html"
    preview(small_release, out=page, studies=2)
    places = "\n".join(map(str, small_release.rglob("s*")))
    ids = {name[1:] for name in re.findall(r"\bs\d{8}\b", places)}
    shown = {sample["study"] for sample in meta(page)["samples"]}
    assert len(ids) > 10
    assert {one for one in ids if one in page.read_text()} == shown


def test_hostile_texts_are_shown_and_do_nothing(
    browser: Browser, small_indiana: Path, tmp_path: Path
) -> None:
    release = tmp_path / "<img src=x onerror=hacked=3>"
    shutil.copytree(small_indiana, release)
    table = release / "indiana_reports.csv"
    rows = pd.read_csv(table, dtype=str)
    rows.assign(impression=HOSTILE).to_csv(table, index=False)
    page = tmp_path / "preview.html"
    preview(release, out=page, studies=12)
    browser.open(page)
    texts = browser.evaluate("meta.samples.flatMap(sample => sample.texts.map(text => text[1]))")
    assert any(HOSTILE in text for text in texts)
    for _ in range(12):
        browser.evaluate("(document.querySelector('dialog button:nth-of-type(2)') ??"
                         "document.querySelector('button.card')).click()")  # fmt: skip
    assert browser.evaluate("typeof hacked") == "undefined"
    assert browser.complaints == []


# --- errors ---------------------------------------------------------------------------------------

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no place": ({"place": None}, "synthetic=True"),
    "both": ({"synthetic": True}, "not both"),
    "split": ({"split": "val"}, "split='val' is not known"),
    "too many studies": ({"studies": 501}, "from 0 to 500"),
    "no number": ({"studies": True}, "studies=True"),
    "seed": ({"seed": -1}, "seed=-1"),
    "another dataset": ({"dataset": "mimic-cxr-jpg"}, "dataset='mimic-cxr-jpg', but"),
    "no folder": ({"out": "nowhere/preview.html"}, "Make it first"),
    "a folder": ({"out": "."}, "is a folder"),
    "an address": ({"out": "s3://bucket/preview.html"}, "is an address"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_is_told_and_nothing_is_written(
    name: str, small_indiana: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given, told = WRONG[name]
    place = given.get("place", small_indiana)
    options = {"out": "preview.html", **{key: given[key] for key in given if key != "place"}}
    with pytest.raises(OptionError, match=re.escape(told)):
        preview(place, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_page_is_not_replaced(small_indiana: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.html"
    notes.write_text("my notes")
    with pytest.raises(OptionError, match="is no page of a preview"):
        preview(small_indiana, out=notes)
    assert notes.read_text() == "my notes"


def test_a_place_that_holds_nothing_is_told_with_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["preview", str(tmp_path / "empty"), "--out", str(tmp_path / "page.html")]) == 1
    assert "empty" in capsys.readouterr().err
    with pytest.raises(ReleaseError):
        preview(tmp_path / "empty", out=tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_folder_that_may_not_be_written_to_is_told(small_indiana: Path, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    with stopped_by_permissions(), pytest.raises(StoreError, match="could not be written"):
        preview(small_indiana, out=folder / "page.html", studies=1)
    assert os.listdir(folder) == []


def test_the_command_line_needs_a_file_to_write() -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["preview", "release"])
    assert stopped.value.code == 2
