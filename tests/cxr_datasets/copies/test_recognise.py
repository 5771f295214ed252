"""What lies at a place: a release of which dataset, an export, or nothing of these."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_datasets.copies import recognise
from cxr_datasets.copies.folder import NOTE
from cxr_datasets.errors import CxrError, ExportError, OptionError, ReleaseError, StoreError
from cxr_datasets.export import export
from cxr_datasets.storage import Remote
from cxr_datasets.storage.source import Source
from cxr_datasets.testing import copy_release, rewrite
from tests.fakes.physionet import PhysioNet
from tests.fakes.s3 import S3


@pytest.fixture(scope="module")
def exported(
    small_release: Path, export_cache: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("exported") / "out"
    for config in ("reports", "images"):
        export("mimic-cxr-jpg", small_release, out, config=config, image_size=16, progress=False,
               cache_dir=export_cache)  # fmt: skip
    return out


def test_a_release_is_told_with_its_dataset_and_tables(package: str, release: Path) -> None:
    place = recognise(release)
    assert (place.kind, place.dataset) == ("release", package.replace("_", "-"))
    assert place.address == str(release)
    assert all((release / file).is_file() for file in place.tables.values())
    assert len(place.tables) == (2 if package == "indiana_cxr" else 5)
    assert place.dataset in str(place)


@pytest.mark.parametrize(
    ("change", "version"),
    [
        (lambda root: None, "2.1.0"),
        (lambda root: (root / "IMAGE_FILENAMES").unlink(), "2.1.0"),
        (lambda root: [file.unlink() for file in root.glob("*test-set*")], "2.1.0"),
    ],
    ids=["whole", "without the list of images", "without the radiologists' labels"],
)
def test_the_version_is_told_by_what_only_it_has(
    change: Callable[[Path], object], version: str, small_release: Path, tmp_path: Path
) -> None:
    root = copy_release(small_release, tmp_path / "copy")
    change(root)
    assert recognise(root).version == version


@pytest.mark.parametrize(
    ("folder", "version"),
    [
        ("copy", None),
        ("2.0.0", "2.0.0"),
        ("mimic-cxr-jpg-2.0.0.physionet.org", "2.0.0"),
        ("mimic-cxr-jpg-2.0.0", "2.0.0"),
        ("mimic-cxr-jpg-12.0.0", None),
        ("9.9.9", None),
    ],
)
def test_a_copy_without_such_files_has_the_version_that_its_folder_is_named_by(
    folder: str, version: str | None, small_release: Path, tmp_path: Path
) -> None:
    root = copy_release(small_release, tmp_path / folder)
    (root / "IMAGE_FILENAMES").unlink()
    (root / "mimic-cxr-2.1.0-test-set-labeled.csv").unlink()
    assert recognise(root).version == version


@pytest.mark.parametrize(
    ("package", "layout"),
    [
        ("mimic_cxr_jpg", "physionet.org/files/mimic-cxr-jpg/2.1.0"),
        ("mimic_cxr_jpg", "2.1.0"),
        ("mimic_cxr_jpg", "any-name"),
        ("indiana_cxr", "datasets/raddar/chest-xrays-indiana-university/versions/2"),
    ],
)
def test_the_root_is_found_below_the_folder_that_a_download_was_put_in(
    package: str, layout: str, release: Path, tmp_path: Path
) -> None:
    root = tmp_path / "given" / layout
    root.parent.mkdir(parents=True)
    release.rename(root)
    place = recognise(tmp_path / "given")
    assert place.address == str(root)
    assert place.dataset == package.replace("_", "-")


def test_an_archive_is_recognised_with_the_folder_around_everything(
    indiana_release: Path, tmp_path: Path
) -> None:
    made = shutil.make_archive(
        str(tmp_path / "archive"), "zip", indiana_release.parent, indiana_release.name
    )
    place = recognise(made)
    assert place.dataset == "indiana-cxr"
    assert place.tables == {
        "projections": "indiana_projections.csv", "reports": "indiana_reports.csv",
    }  # fmt: skip


def test_a_download_that_noted_what_was_asked_for_is_a_part(release: Path) -> None:
    (release / NOTE).mkdir()
    assert recognise(release).kind == "part"


def test_a_table_is_enough_and_none_is_read(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = {
        "indiana_cxr": "indiana_reports.csv", "mimic_cxr_jpg": "mimic-cxr-2.0.0-negbio.csv",
    }[package]  # fmt: skip
    (tmp_path / name).write_text("broken")
    for method in ("read", "arrow_file", "mapped"):
        monkeypatch.setattr(Source, method, lambda *_: pytest.fail("a file was read"))
    assert list(recognise(tmp_path).tables.values()) == [name]


def test_an_export_is_told_with_its_dataset_and_configs(exported: Path) -> None:
    place = recognise(exported)
    assert (place.kind, place.dataset, place.configs, place.pushed) == (
        "export", "mimic-cxr-jpg", ("images", "reports"), False,
    )  # fmt: skip


def test_an_export_without_its_notes_is_a_pushed_copy(exported: Path, tmp_path: Path) -> None:
    copy = copy_release(exported, tmp_path / "copy")
    shutil.rmtree(copy / ".cxr")
    place = recognise(copy)
    assert (place.kind, place.dataset, place.configs, place.pushed) == (
        "export", "mimic-cxr-jpg", ("images", "reports"), True,
    )  # fmt: skip


def test_notes_of_an_export_that_were_changed_are_an_error(exported: Path, tmp_path: Path) -> None:
    copy = copy_release(exported, tmp_path / "copy")
    for manifest in (copy / ".cxr").glob("*.jsonl"):
        rewrite(manifest, manifest.read_bytes()[5:])
    with pytest.raises(ExportError, match=r"images\.jsonl was cut or changed"):
        recognise(copy)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: folder, "is empty"),
        (lambda folder: folder / "absent", "does not exist"),
        (lambda folder: (folder / "a.txt").write_text("x") and folder / "a.txt", "is a file"),
        (lambda folder: (folder / "a.zip").write_text("x") and folder / "a.zip", "no zip archive"),
    ],
)
def test_what_is_no_place_is_an_error_that_says_so(
    make: Callable[[Path], Path], told: str, tmp_path: Path
) -> None:
    place = make(tmp_path)
    with pytest.raises(ReleaseError, match=told) as caught:
        recognise(place)
    assert str(place) in str(caught.value)


def test_of_another_folder_is_told_what_was_looked_for_and_found(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ReleaseError) as caught:
        recognise(tmp_path)
    for said in ("mimic-cxr-2.0.0-split.csv.gz", "indiana_projections.csv", ".cxr/images.jsonl",
                 "croissant.json", "notes.txt"):  # fmt: skip
        assert said in str(caught.value)


def test_a_known_other_release_is_named(tmp_path: Path) -> None:
    (tmp_path / "NLMCXR_png").mkdir()
    with pytest.raises(ReleaseError, match="another release of the collection"):
        recognise(tmp_path)


def test_an_address_with_a_password_is_refused() -> None:
    with pytest.raises(OptionError):
        recognise("https://user:secret@example.org/copy")


def test_a_bucket_is_recognised_by_few_requests(small_release: Path) -> None:
    with S3() as s3:
        s3.place("releases", "mimic/2.1.0", small_release)
        user = s3.user("reader", read=["releases"])
        options = {"endpoint_url": s3.url, **user}
        place = recognise("s3://releases/mimic/2.1.0", storage_options=options)
        assert (place.dataset, place.version, len(place.tables)) == ("mimic-cxr-jpg", "2.1.0", 5)
        assert len([asked for asked in s3.requests if asked.method in ("GET", "HEAD")]) < 3
        with pytest.raises(StoreError, match="may not be read"):
            recognise("s3://releases/mimic", storage_options={**options, "secret": "wrong"})
        with pytest.raises(CxrError, match="holds no release"):
            recognise("s3://releases/nothing", storage_options=options)


def test_a_web_server_is_recognised_by_one_page(small_release: Path) -> None:
    folder = "files/mimic-cxr-jpg/2.1.0"
    with PhysioNet({folder: small_release}, open_access=True, encrypted=True) as server:
        place = recognise(server.address(folder))
        assert (place.dataset, place.version) == ("mimic-cxr-jpg", "2.1.0")
        assert len(server.requests) == 1


def test_a_server_that_is_not_there_is_told_after_one_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from cxr_datasets.storage import retry

    monkeypatch.setattr(retry, "MOST_TRIES", 1)
    asked = []
    real = Remote.infos
    monkeypatch.setattr(Remote, "infos", lambda *words: asked.append(words) or real(*words))
    with pytest.raises(StoreError, match="could not be read"):
        recognise("https://127.0.0.1:1/copy")
    assert asked == []
