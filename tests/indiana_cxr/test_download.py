"""`cxr download indiana-cxr`: by Kaggle's own client, from a loopback of its download API."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest

from cxr_datasets.cli import main
from cxr_datasets.copies import Downloaded, download, recognise
from cxr_datasets.errors import DownloadError, OptionError, ReleaseError, StoreError
from cxr_datasets.testing import files_under
from indiana_cxr.indiana_cxr import IndianaCxr
from indiana_cxr.kaggle import Kaggle as Fetcher
from tests.fakes.kaggle import Kaggle
from tests.helpers import made_once
from tests.modes import umask

pytest.importorskip("kagglehub")

TABLES = ["indiana_projections.csv", "indiana_reports.csv"]


@pytest.fixture(scope="session")
def tiny_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of 6 studies. Read only."""
    from indiana_cxr.synthetic import write_release

    return made_once(
        tmp_path_factory, "copies-indiana", lambda out: write_release(out, studies=6, scale=1 / 64)
    )


@pytest.fixture
def kaggle(
    tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short_waits: None
) -> Iterator[Kaggle]:
    """A Kaggle that gives this release, whose tables are declared as the published ones."""
    sums = {name: hashlib.sha256((tiny_release / name).read_bytes()).hexdigest() for name in TABLES}
    published = IndianaCxr.PUBLISHED
    tables = tuple(replace(table, sha256={"2": sums[table.files[0]]}) for table in published.tables)
    monkeypatch.setattr(IndianaCxr, "PUBLISHED", replace(published, tables=tables))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    with Kaggle(tiny_release) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


def get(out: Path, **options: Any) -> Downloaded:
    done = download("indiana-cxr", out, progress=False, **options)
    assert isinstance(done, Downloaded)
    return done


def images_in(folder: Path) -> list[str]:
    return [name for name in files_under(folder) if name.endswith(".png")]


def listed(release: Path) -> list[str]:
    import pandas as pd

    names = pd.read_csv(release / TABLES[0])["filename"]
    return sorted(f"images/images_normalized/{name}" for name in names)


def same(out: Path, release: Path, names: list[str]) -> bool:
    return all((out / name).read_bytes() == (release / name).read_bytes() for name in names)


def test_a_part_is_fetched_file_by_file_after_the_tables_without_a_token(
    kaggle: Kaggle, tiny_release: Path, tmp_path: Path, cache: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "out"
    words = ["download", "indiana-cxr", str(out), "--limit", "3", "--no-progress"]
    assert main(words) == 0
    printed = capsys.readouterr()
    assert sorted(kaggle.asked[:2]) == TABLES
    assert len(kaggle.asked) == 5
    assert kaggle.tokens == []
    assert len(images_in(out)) == 3
    assert same(out, tiny_release, [*TABLES, *images_in(out)])
    call = printed.out.strip().splitlines()[-1]
    loaded = eval(f"{call[:-1]}, cache_dir={cache!r})", {"load_dataset": datasets.load_dataset})
    assert sum(map(len, loaded.values())) == 3
    assert recognise(out).kind == "part"
    assert main(words) == 0
    assert len(kaggle.asked) == 5  # nothing again


def test_only_json_is_on_the_standard_output(
    kaggle: Kaggle, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["download", "indiana-cxr", str(tmp_path / "out"), "--limit", "2", "--no-progress"]
    assert main([*words, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["fetched"] == 4


def test_images_are_chosen_by_a_file_of_ids(
    kaggle: Kaggle, tiny_release: Path, tmp_path: Path
) -> None:
    uid = listed(tiny_release)[0].rpartition("/")[2].partition("_")[0]
    (tmp_path / "ids.txt").write_text(f"{uid}\n")
    get(tmp_path / "out", ids=tmp_path / "ids.txt")
    wanted = [name for name in listed(tiny_release) if Path(name).name.startswith(f"{uid}_")]
    assert images_in(tmp_path / "out") == wanted != []


def test_many_images_are_fetched_as_one_archive_and_unpacked(
    kaggle: Kaggle, tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fetcher, "archive_from", 5)
    done = get(tmp_path / "out")
    assert sorted(kaggle.asked) == ["", *TABLES]
    assert done.problems == 0
    assert images_in(tmp_path / "out") == listed(tiny_release)
    assert same(tmp_path / "out", tiny_release, listed(tiny_release))
    assert not list((tmp_path / "out").rglob("*.zip"))


def test_the_archive_is_kept_and_read_in_place(
    kaggle: Kaggle, tiny_release: Path, tmp_path: Path, cache: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "out"
    words = ["download", "indiana-cxr", str(out), "--keep-zip", "--no-progress"]
    assert main(words) == 0
    assert kaggle.asked == [""]
    with zipfile.ZipFile(out / "archive.zip") as archive:
        assert archive.read(TABLES[0]) == (tiny_release / TABLES[0]).read_bytes()
    call = capsys.readouterr().out.strip().splitlines()[-1]
    loaded = eval(f"{call[:-1]}, cache_dir={cache!r})", {"load_dataset": datasets.load_dataset})
    assert sum(map(len, loaded.values())) == len(listed(tiny_release))
    assert main(words) == 0
    assert kaggle.asked == [""]


def test_an_archive_that_broke_off_goes_on(
    kaggle: Kaggle, tiny_release: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kaggle.release = tmp_path / "larger"
    shutil.copytree(tiny_release, kaggle.release)
    (kaggle.release / "more.bin").write_bytes(os.urandom(3 << 20))
    kaggle.cut("", 5 << 19)
    done = get(tmp_path / "out", keep_zip=True)
    assert done.problems == 0
    assert kaggle.ranges == [f"bytes={2 << 20}-"]  # what came in whole pieces
    with zipfile.ZipFile(tmp_path / "out" / "archive.zip") as archive:
        assert archive.testzip() is None
    assert capfd.readouterr() == ("", "")  # and no bar of its client


@pytest.mark.parametrize("keep_zip", [False, True])
def test_a_table_that_is_not_the_published_one_is_told(
    keep_zip: bool, kaggle: Kaggle, tmp_path: Path
) -> None:
    kaggle.flip(TABLES[1])
    if keep_zip:
        with pytest.raises(DownloadError, match=f"as it was published: {TABLES[1]} has another"):
            get(tmp_path / "out", keep_zip=True)
        return
    with pytest.raises(ReleaseError, match=f"{TABLES[1]} came damaged: .* another sha256"):
        get(tmp_path / "out", limit=2)
    assert not (tmp_path / "out" / TABLES[1]).exists()
    assert images_in(tmp_path / "out") == []


def test_passing_faults_are_tried_again(kaggle: Kaggle, tiny_release: Path, tmp_path: Path) -> None:
    first, second, *_ = listed(tiny_release)
    kaggle.answer(first, 503, 429)
    kaggle.cut(second, 50)
    kaggle.answer(TABLES[0], 500)
    assert get(tmp_path / "out").problems == 0
    assert images_in(tmp_path / "out") == listed(tiny_release)
    assert same(tmp_path / "out", tiny_release, listed(tiny_release))


def test_an_image_that_is_not_there_is_counted_and_the_others_come(
    kaggle: Kaggle, tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = listed(tiny_release)
    kaggle.answer(first, 404)
    done = get(tmp_path / "out")
    assert list(done.faults) == [first]
    assert images_in(tmp_path / "out") == others
    assert get(tmp_path / "out").problems == 0
    gone = tmp_path / "gone"
    shutil.copytree(tiny_release, gone)
    (gone / first).unlink()
    kaggle.release = gone
    monkeypatch.setattr(Fetcher, "archive_from", 1)
    assert get(tmp_path / "archived").faults == {first: "is not in Kaggle's archive"}


def test_a_token_that_is_refused_is_told_and_not_shown(
    kaggle: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "invented-token")
    for name in TABLES:
        kaggle.answer(name, *[401] * 9)
    with pytest.raises(StoreError, match="No account is needed") as caught:
        get(tmp_path / "out", limit=1)
    assert caught.value.refused
    assert "invented-token" not in str(caught.value)
    assert "signature" not in str(caught.value)
    assert set(kaggle.tokens) == {"Bearer invented-token"}


def test_a_server_that_is_gone_is_told(kaggle: Kaggle, tmp_path: Path) -> None:
    kaggle.stop()
    with pytest.raises((ReleaseError, StoreError), match="connection was lost"):
        get(tmp_path / "out", limit=1)


@pytest.mark.thorough
def test_an_archive_that_is_none_is_told_for_every_image(
    kaggle: Kaggle, tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fetcher, "archive_from", 1)
    monkeypatch.setattr(kaggle, "_archive", lambda: b"no archive" * 10)
    done = get(tmp_path / "out")
    assert set(done.faults) == set(listed(tiny_release))
    assert "no whole zip" in next(iter(done.faults.values()))


def test_a_public_collection_is_as_open_as_the_umask_says(kaggle: Kaggle, tmp_path: Path) -> None:
    with umask(0o022):
        get(tmp_path / "out", limit=1)
    (image,) = images_in(tmp_path / "out")
    assert (tmp_path / "out" / image).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("more", [{"limit": 3}, {"images": False}, {"views": "frontal"}])
def test_a_part_is_not_kept_as_an_archive(
    more: dict[str, Any], kaggle: Kaggle, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match="keep_zip"):
        get(tmp_path / "out", keep_zip=True, **more)
    assert kaggle.asked == []


def test_a_copy_or_another_dataset_is_given_as_no_archive(
    tiny_release: Path, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match="keep_zip"):
        get(tmp_path / "out", keep_zip=True, source=tiny_release)
    with pytest.raises(OptionError, match="keep_zip"):
        download("mimic-cxr-jpg", tmp_path / "out", keep_zip=True)


def test_without_kagglehub_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "kagglehub", None)
    with pytest.raises(DownloadError, match=r'pip install "cxr-datasets\[kaggle\]"'):
        get(tmp_path / "out", limit=1)
