"""Images that are elsewhere, or in another form than the release's: option `images`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from datasets import Image as ImageFeature
from datasets import load_dataset
from PIL import Image

import indiana_cxr  # noqa: F401
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.errors import MissingImagesError, OptionError
from cxr_datasets.export import export
from cxr_datasets.export.forms import Form
from cxr_datasets.export.plan import plan_files, usual_bytes
from cxr_datasets.packages import builder_class
from cxr_datasets.testing import arrow_files, copy_release, files_under, rewrite
from cxr_datasets.testing.guards import watch_file_access
from tests.helpers import made_once

Renamed = Callable[[str], str]
"""Gives the place of an image in a form, given its path in the release."""


def tree(path: str) -> str:
    return path.removeprefix("files/")


def flat(path: str) -> str:
    return path.rpartition("/")[2]


def inside(folder: str, layout: Renamed) -> Renamed:
    return lambda path: f"{folder}/{layout(path)}"


def ending(suffix: str, layout: Renamed, own: str) -> Renamed:
    return lambda path: layout(path).removesuffix(own) + suffix


MIMIC_LAYOUTS: dict[str, Renamed] = {
    "files": str,
    "tree": tree,
    "flat": flat,
    "R2Gen's": inside("images", tree),
    "flat in images": inside("images", flat),
    "flat in files": inside("files", flat),
    "doubled": inside("files", str),
}
INDIANA_LAYOUTS: dict[str, Renamed] = {
    "as in the archive": str,
    "images": inside("images", flat),
    "flat": flat,
    "beside the tables": inside("images_normalized", flat),
    "doubled": inside("images/images_normalized/images_normalized", flat),
    "doubled beside the tables": inside("images_normalized/images_normalized", flat),
    "doubled images": inside("images/images/images_normalized", flat),
    "images in images": inside("images/images", flat),
}
FORMS: dict[str, dict[str, Renamed]] = {
    "mimic_cxr_jpg": {
        **{f"{name}.png": ending(".png", of, ".jpg") for name, of in MIMIC_LAYOUTS.items()},
        **{suffix: ending(suffix, str, ".jpg") for suffix in (".jpg", ".jpeg")},
        "flat": flat,
    },
    "indiana_cxr": {
        **{f"{name}.jpg": ending(".jpg", of, ".dcm.png") for name, of in INDIANA_LAYOUTS.items()},
        **{
            suffix: ending(suffix, str, ".dcm.png")
            for suffix in (".dcm.png", ".png", ".jpeg", ".dcm.jpg", ".dcm.jpeg")
        },
        "flat": flat,
    },
}
"""All folders and all suffixes of each dataset."""

USUAL = {
    "mimic_cxr_jpg": ending(".png", flat, ".jpg"),
    "indiana_cxr": ending(".jpg", inside("images_normalized", flat), ".dcm.png"),
}
"""A form of each dataset that differs in both folders and suffix."""


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A release of each dataset with a few dozen images. Read only."""
    from indiana_cxr.synthetic import write_release as write_indiana
    from mimic_cxr_jpg.synthetic import write_release as write_mimic

    return {
        "indiana_cxr": made_once(
            tmp_path_factory, "tiny-indiana", lambda out: write_indiana(out, studies=8)
        ),
        "mimic_cxr_jpg": made_once(
            tmp_path_factory, "tiny-mimic", lambda out: write_mimic(out, patients=4)
        ),
    }


@pytest.fixture
def release(package: str, tiny: dict[str, Path], tmp_path: Path) -> Path:
    return copy_release(tiny[package], tmp_path / "release")


def load(package: str, release: Path, cache: str, config: str = "images", **options: Any) -> Any:
    return load_dataset(package, config, data_dir=str(release), cache_dir=cache, **options)


def rows_of(splits: Any) -> list[dict[str, Any]]:
    """Rows without their images, however they are loaded."""
    left = [name for name in next(iter(splits.values())).features if name not in IMAGES]
    return [row for split in splits.values() for row in split.select_columns(left)]


IMAGES = ("image", "images")


def images_of(row: dict[str, Any]) -> list[Any]:
    return row["images"] if "images" in row else [row["image"]]


def places_of(splits: Any) -> list[str | None]:
    """Where the images of config `images` are read from, split by split."""
    return [
        row["image"] and row["image"]["path"]
        for split in splits.values()
        for row in split.cast_column("image", ImageFeature(decode=False))
    ]


def paths_of(splits: Any) -> list[str]:
    return [path for split in splits.values() for path in split["path"]]


def convert(file: Path, to: Path) -> None:
    """Write an image in the format of another suffix; with the same suffix, the file itself."""
    to.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == to.suffix or {file.suffix, to.suffix} == {".jpg", ".jpeg"}:
        os.link(file, to)
        return
    with Image.open(file) as image:
        image.save(to, "PNG" if to.suffix == ".png" else "JPEG")


def move_images(release: Path, paths: Iterable[str], to: Path, form: Renamed) -> None:
    """Take the images out of a copy and put them somewhere in another form."""
    for path in paths:
        content = release / path
        kept = release.parent / "kept" / path
        kept.parent.mkdir(parents=True, exist_ok=True)
        content.rename(kept)
    for path in paths:
        convert(release.parent / "kept" / path, to / form(path))


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in caplog.messages if "of a sample of" in line]


def put_back(release: Path, paths: Iterable[str], place: Path, form: Renamed) -> None:
    for path in paths:
        (place / form(path)).unlink()
        (release.parent / "kept" / path).rename(release / path)


# Every form.


@pytest.mark.parametrize("where", ["elsewhere", "in the copy"])
def test_every_form_gives_the_same_rows_and_is_told_in_one_line(
    package: str,
    release: Path,
    cache: str,
    tmp_path: Path,
    where: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole = load(package, release, cache)
    expected, paths = rows_of(whole), paths_of(whole)
    place = release if where == "in the copy" else tmp_path / "elsewhere"
    options = {} if where == "in the copy" else {"images": str(place)}
    for name, form in FORMS[package].items():
        move_images(release, paths, place, form)
        caplog.clear()
        found = load(package, release, cache, **options)
        files = [str(place / form(path)) for path in paths]
        assert places_of(found) == files, name
        assert next(iter(found.values()))[0]["image"].mode == "L"
        if where == "in the copy":
            assert paths_of(found) == [form(path) for path in paths], name
            own = form(paths[0]) == paths[0]
        else:
            assert paths_of(found) == paths, name
            own = False
        without = [{**row, "path": None} for row in rows_of(found)]
        assert without == [{**row, "path": None} for row in expected], name
        assert len(told(caplog)) == (0 if own else 1), name
        if not own:
            assert f"of a sample of {min(16, len(paths))} images are in {place}, as " in caplog.text
            assert Path(form(paths[0])).name[-4:] in caplog.text
        put_back(release, paths, place, form)


# However they are loaded.


@pytest.fixture
def paths(package: str, release: Path, cache: str) -> list[str]:
    return paths_of(load(package, release, f"{cache}-whole"))


@pytest.fixture
def elsewhere(package: str, release: Path, paths: list[str], tmp_path: Path) -> Path:
    """The images of `release`, taken out of it and put elsewhere in another form."""
    place = tmp_path / "elsewhere"
    move_images(release, paths, place, USUAL[package])
    return place


@pytest.mark.parametrize("config", ["images", "studies"])
@pytest.mark.parametrize("embed", [None, True])
def test_built_and_streamed_alike(
    package: str, release: Path, elsewhere: Path, cache: str, config: str, embed: bool | None
) -> None:
    options = {"images": elsewhere, "embed": embed}
    built = load(package, release, cache, config, **options)
    streamed = load(package, release, cache, config, streaming=True, **options)
    seen = 0
    for name, split in built.items():
        for row, other in zip(split, streamed[name], strict=True):
            images, others = (
                [r["image"]] if config == "images" else r["images"] for r in (row, other)
            )
            paths = [row["path"]] if config == "images" else row["paths"]
            for path, image, same in zip(paths, images, others, strict=True):
                with Image.open(elsewhere / USUAL[package](path)) as file:
                    np.testing.assert_array_equal(np.asarray(image), np.asarray(file))
                np.testing.assert_array_equal(np.asarray(image), np.asarray(same))
                seen += 1
            assert {**row, "image": 0, "images": 0} == {**other, "image": 0, "images": 0}
    assert seen > 10


@pytest.mark.parametrize("config", ["images", "studies"])
def test_in_the_copy_the_rows_of_every_config_tell_the_place_in_the_copy(
    package: str, release: Path, paths: list[str], cache: str, config: str
) -> None:
    form = USUAL[package]
    before = load(package, release, f"{cache}-whole", config)
    move_images(release, paths, release, form)
    name = "path" if config == "images" else "paths"
    for streaming in (False, True):
        found = load(package, release, cache, config, streaming=streaming)
        for split, rows in found.items():
            told = [row[name] for row in rows.select_columns([name])]
            if config == "images":
                assert told == [form(path) for path in before[split][name]]
            else:
                assert told == [[form(p) for p in some] for some in before[split][name]]


def test_two_processes_read_them(package: str, release: Path, elsewhere: Path, cache: str) -> None:
    one = load(package, release, cache, images=str(elsewhere), embed=True)
    two = load(package, release, f"{cache}-2", images=str(elsewhere), embed=True, num_proc=2)
    for name, split in one.items():
        assert split.with_format("arrow")[:].equals(two[name].with_format("arrow")[:])


def test_images_made_smaller_are_made_of_them(
    package: str, release: Path, elsewhere: Path, paths: list[str], cache: str
) -> None:
    found = load(package, release, cache, images=str(elsewhere), image_size=32)
    names = [Path(USUAL[package](path)).stem + ".jpg" for path in paths]
    assert places_of(found) == names
    assert min(next(iter(found.values()))[0]["image"].size) == 32


def test_an_export_holds_their_bytes_and_names(
    package: str, release: Path, elsewhere: Path, cache: str, tmp_path: Path
) -> None:
    export(package, release, tmp_path / "out", images=elsewhere, cache_dir=cache, progress=False)
    rows = [
        row
        for file in sorted((tmp_path / "out").glob("images/*.parquet"))
        for row in pq.read_table(file, columns=["image", "path"]).to_pylist()
    ]
    assert rows
    for row in rows:
        file = elsewhere / USUAL[package](row["path"])
        assert row["image"] == {"bytes": file.read_bytes(), "path": file.name}
    manifest = (tmp_path / "out" / ".cxr").rglob("*")
    texts = "".join(file.read_text() for file in manifest if file.is_file())
    assert str(elsewhere.parent) not in texts


def test_an_export_plans_its_files_by_the_size_of_these_images(
    package: str, release: Path, elsewhere: Path, cache: str
) -> None:
    def planned(**options: Any) -> int:
        builder = builder_class(package)(data_dir=str(release), cache_dir=cache, **options)
        index, splits = builder.write_index()
        return usual_bytes(plan_files(index, splits, builder, Form()), builder, Form())

    sizes = [file.stat().st_size for file in elsewhere.rglob("*") if file.is_file()]
    found = planned(images=str(elsewhere))
    assert sum(sizes) / 2 < found < 3 * sum(sizes)


@pytest.mark.parametrize("missing", ["skip", "null"])
def test_missing_asks_for_the_files_in_their_place(
    package: str, release: Path, elsewhere: Path, paths: list[str], cache: str, missing: str
) -> None:
    gone = [paths[1], paths[-2]]
    for path in gone:
        (elsewhere / USUAL[package](path)).unlink()
    found = load(package, release, cache, images=str(elsewhere), missing=missing)
    left = [path for path in paths if missing == "null" or path not in gone]
    assert paths_of(found) == left
    assert [place for place in places_of(found) if place is None] == (
        [None, None] if missing == "null" else []
    )
    with pytest.raises(MissingImagesError) as caught:
        load(package, release, cache, images=str(elsewhere))
    assert str(elsewhere / USUAL[package](paths[1])) in str(caught.value)
    assert "missing='skip'" in str(caught.value)


def test_an_archive_is_read_in_place(
    package: str, release: Path, elsewhere: Path, paths: list[str], cache: str, tmp_path: Path
) -> None:
    archive = shutil.make_archive(str(tmp_path / "images"), "zip", elsewhere)
    found = load(package, release, cache, images=archive)
    assert places_of(found) == [f"zip://{USUAL[package](path)}::{archive}" for path in paths]
    row = next(iter(found.values()))[0]
    with Image.open(elsewhere / USUAL[package](row["path"])) as file:
        np.testing.assert_array_equal(np.asarray(row["image"]), np.asarray(file))


def test_config_reports_needs_no_images_and_does_not_look_for_them(
    package: str, release: Path, elsewhere: Path, cache: str, tmp_path: Path
) -> None:
    found = load(package, release, cache, "reports", images=str(tmp_path / "nowhere"))
    files = arrow_files(cache)
    assert rows_of(load(package, release, cache, "reports")) == rows_of(found)
    assert arrow_files(cache) == files


# What is looked at.


def test_no_folder_of_images_is_listed_and_none_is_opened(
    package: str, release: Path, elsewhere: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {str(file) for file in elsewhere.rglob("*")}
    seen = watch_file_access(monkeypatch)
    load(package, release, cache, images=str(elsewhere))
    assert seen
    assert not files & seen


def test_a_second_start_reads_no_table(
    package: str, release: Path, elsewhere: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(package, release, cache, images=str(elsewhere))
    built = arrow_files(cache)
    seen = watch_file_access(monkeypatch)
    load(package, release, cache, images=str(elsewhere))
    load(package, release, cache, images=str(elsewhere), streaming=True)
    assert arrow_files(cache) == built
    assert not [file for file in seen if file.endswith((".csv", ".csv.gz"))]


# One dataset for each place.


def test_place_and_form_make_a_dataset_and_ways_to_write_a_place_do_not(
    package: str,
    release: Path,
    elsewhere: Path,
    paths: list[str],
    cache: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def entries() -> int:
        return len({str(Path(file).parent) for file, _, _ in arrow_files(cache)})

    load(package, release, cache, images=str(elsewhere))
    monkeypatch.chdir(tmp_path)
    for spelled in (f"{elsewhere}/", "elsewhere", elsewhere, f"{release}/../elsewhere"):
        load(package, release, cache, images=spelled)
    assert entries() == 1
    copy_release(elsewhere, tmp_path / "second")
    found = load(package, release, cache, images=tmp_path / "second")
    assert all(place.startswith(str(tmp_path / "second")) for place in places_of(found))
    assert entries() == 2
    shutil.rmtree(tmp_path / "second")
    for path in paths:
        convert(tmp_path / "kept" / path, tmp_path / "second" / path)
    found = load(package, release, cache, images=tmp_path / "second")
    assert places_of(found) == [str(tmp_path / "second" / path) for path in paths]
    assert entries() == 3


def test_the_copy_itself_may_be_named(package: str, release: Path, cache: str, caplog: Any) -> None:
    load(package, release, cache)
    files = arrow_files(cache)
    load(package, release, cache, images=release)
    assert arrow_files(cache) == files
    assert told(caplog) == []


def test_a_place_that_holds_a_password_is_refused(
    package: str, release: Path, cache: str, tmp_path: Path
) -> None:
    for address in ("https://me:secret@example.org/images", "https://example.org/a?sig=secret"):
        with pytest.raises(OptionError, match="images=") as caught:
            load(package, release, cache, images=address)
        assert "secret" not in str(caught.value)
    assert not [file for file in files_under(tmp_path / "cache") if "secret" in file]


# Copies of which not all is there.


def test_a_stray_file_in_the_release_s_own_form_does_not_decide(
    package: str, release: Path, paths: list[str], cache: str
) -> None:
    form = USUAL[package]
    move_images(release, paths, release, form)
    shutil.copy(release.parent / "kept" / paths[0], release / paths[0])
    assert paths_of(load(package, release, cache)) == [form(path) for path in paths]


def test_the_form_of_a_part_of_the_images_is_found(tmp_path: Path, cache: str, tiny: Any) -> None:
    names = [f"{uid}_IM-0001-1001.dcm.png" for uid in range(1, 2001)]
    release = tmp_path / "release"
    release.mkdir()
    frame = pd.DataFrame({"uid": range(1, 2001), "filename": names, "projection": "Frontal"})
    frame.to_csv(release / "indiana_projections.csv", index=False)
    reports = pd.DataFrame({"uid": range(1, 2001), "MeSH": "normal", "Problems": "normal"})
    for name in ("image", "indication", "comparison", "findings", "impression"):
        reports[name] = "XXXX"
    reports.to_csv(release / "indiana_reports.csv", index=False)
    image = next((tiny["indiana_cxr"] / "images/images_normalized").iterdir())
    for name in names[500:540]:  # between two of the files that are looked for first
        rewrite(release / "small" / name.replace(".dcm", ""), image.read_bytes())
    found = load("indiana_cxr", release, cache, images=release / "small", missing="skip")
    assert [Path(path).name for path in paths_of(found)] == names[500:540]


def test_a_dataset_that_declares_no_forms_is_found_with_another_suffix(
    release: Path, package: str, paths: list[str], cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder_class(package), "IMAGE_FORMS", None)
    own = builder_class(package).IMAGE_SUFFIX
    move_images(release, paths, release, ending(".jpeg", str, own))
    found = paths_of(load(package, release, cache))
    assert found == [path.removesuffix(own) + ".jpeg" for path in paths]


# What is no place of images.


def test_a_place_that_is_none_is_named_with_its_fault(
    package: str, release: Path, cache: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    rewrite(tmp_path / "broken.zip", b"PK\x03\x04 and no more")
    rewrite(tmp_path / "images.tar", b"no folder")
    for name, fault in {
        "nowhere": "does not exist",
        "empty": "is empty",
        "broken.zip": "is no zip archive",
        "images.tar": "is a file",
    }.items():
        with pytest.raises(MissingImagesError) as caught:
            load(package, release, cache, images=tmp_path / name, missing="skip")
        assert f"images={tmp_path / name} {fault}" in str(caught.value)
