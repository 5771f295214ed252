"""Which datasets are installed, and which code is part of the key of what they build."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import cxr_datasets
from cxr_datasets import packages
from cxr_datasets.errors import OptionError, PackageError

CHECKOUT = Path(cxr_datasets.__file__).parents[1]

MAKE_ROWS = {
    *("builder", "cohorts", "columns.py", "images", "labels/names.py", "labels/text"),
    *("layers", "storage", "tables"),
}
MAKE_NO_ROWS = {
    *(
        "audit.py",
        "cli",
        "copies",
        "counts.py",
        "digests.py",
        "errors.py",
        "export",
        "flags.py",
        "hooks",
        "limits.py",
    ),
    *("labels/balance.py", "labels/cleaning.py", "labels/compare.py", "labels/frame.py"),
    *("labels/matrix.py", "labels/scores.py", "labels/targets.py", "labels/texts.py"),
    "labels/xrv.py",
    *("packages.py", "permutation.py", "preview", "push", "redaction.py", "synthetic"),
    *("testing", "training"),
    "wording.py",
}
"""Every room and module stands in one of these two, and each part of a room that counts in part:
a new one has to be decided on."""


@pytest.fixture
def hashed(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Gives the hash of the code in `tmp_path`, which holds copies of both packages."""
    for name in ("cxr_datasets", package):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CHECKOUT / name, tmp_path / name, ignore=ignore)
    monkeypatch.setattr(packages, "package_folder", lambda name: tmp_path / name)
    return lambda: packages.code_hash.__wrapped__(package)


def one_file(place: Path) -> Path:
    """The module itself, or one with code in it of a room, as deep down as there is one."""
    if place.is_file():
        return place
    return max(place.rglob("*.py"), key=lambda file: (len(file.parts), file.stat().st_size))


def rooms_and_modules(package: Path) -> dict[str, Path]:
    """Name -> place of each; of a room that counts in part, of each of its parts."""
    parts = {name.partition("/")[0] for name in MAKE_ROWS if "/" in name}
    places = [
        place
        for top in package.iterdir()
        for place in (top.iterdir() if top.name in parts else [top])
        if place.suffix in ("", ".py") and place.name not in ("__init__.py", "_version.py")
    ]
    return {place.relative_to(package).as_posix(): place for place in sorted(places)}


def change_a_byte(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b" ")


def test_the_key_holds_every_room_that_makes_rows_and_no_other(
    hashed: Callable[[], str], tmp_path: Path
) -> None:
    before, changed = hashed(), {}
    for name, place in rooms_and_modules(tmp_path / "cxr_datasets").items():
        file = one_file(place)
        content = file.read_bytes()
        change_a_byte(file)
        changed[name] = hashed() != before
        file.write_bytes(content)
    assert hashed() == before
    assert changed == {**dict.fromkeys(MAKE_ROWS, True), **dict.fromkeys(MAKE_NO_ROWS, False)}


def test_a_word_of_the_vocabulary_of_labels_from_text_changes_the_key(
    hashed: Callable[[], str], tmp_path: Path
) -> None:
    before = hashed()
    tables = sorted((tmp_path / "cxr_datasets" / "labels").rglob("*.csv"))
    assert tables
    for table in tables:
        content = table.read_bytes()
        change_a_byte(table)
        assert hashed() != before, table.name
        table.write_bytes(content)


def test_the_key_holds_the_datasets_package_but_for_its_synthetic_releases(
    hashed: Callable[[], str], package: str, tmp_path: Path
) -> None:
    before = hashed()
    for file in sorted((tmp_path / package).rglob("*")):
        if file.is_dir():
            continue
        content = file.read_bytes()
        change_a_byte(file)
        counts = file.suffix in (".py", ".csv") and "synthetic" not in str(
            file.relative_to(tmp_path)
        )
        assert (hashed() != before) == counts, file.name
        file.write_bytes(content)


@pytest.mark.parametrize("new", ["module.py", "room/deeper/module.py", "a_list.csv"])
def test_a_new_file_changes_the_key_wherever_it_is(
    hashed: Callable[[], str], package: str, new: str, tmp_path: Path
) -> None:
    before = hashed()
    file = tmp_path / package / new
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n")
    assert hashed() != before


def test_a_file_that_moves_changes_the_key(
    hashed: Callable[[], str], package: str, tmp_path: Path
) -> None:
    before = hashed()
    folder = tmp_path / package
    (folder / "room").mkdir()
    (folder / "release.py").rename(folder / "room" / "release.py")
    assert hashed() != before


def test_a_dataset_is_known_by_its_name_with_either_dash() -> None:
    assert packages.package_of("mimic_cxr_jpg") == packages.package_of("mimic-cxr-jpg")
    with pytest.raises(OptionError, match=r"indiana-cxr.*mimic-cxr-jpg"):
        packages.package_of("mimic")


def test_a_package_that_does_not_import_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    broken = EntryPoint("half-done", "half_done.half_done:HalfDone", "cxr_datasets")
    monkeypatch.setattr(packages, "known_datasets", lambda: {"half-done": broken})
    with pytest.raises(PackageError, match=r"half-done.*half_done.half_done:HalfDone"):
        packages.builder_class("half-done")


def test_a_dataset_installed_or_removed_meanwhile_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "later-cxr" not in packages.known_datasets()
    notes = tmp_path / "later_cxr-1.dist-info"
    notes.mkdir()
    (notes / "METADATA").write_text("Metadata-Version: 2.1\nName: later-cxr\nVersion: 1\n")
    (notes / "entry_points.txt").write_text("[cxr_datasets]\nlater-cxr = later_cxr.later:Later\n")
    assert packages.known_datasets()["later-cxr"].value == "later_cxr.later:Later"
    shutil.rmtree(notes)
    assert "later-cxr" not in packages.known_datasets()
