"""MIMIC-IV is found where people have it, and anything else is refused with what to do."""

from __future__ import annotations

import gzip
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.cli import main
from cxr_datasets.errors import CxrError, OptionError, ReleaseError, StoreError, TableError
from cxr_datasets.export import export
from cxr_datasets.testing import edit_table, load_rows, rewrite
from tests.fakes.physionet import PASSWORD, USER, PhysioNet
from tests.mimic_cxr_jpg.bad_input.conftest import refused
from tests.mimic_cxr_jpg.mimic_iv.conftest import Linked
from tests.permissions import closed

ADMISSIONS, PATIENTS = "hosp/admissions.csv.gz", "hosp/patients.csv.gz"


@pytest.fixture
def records(linked: Linked, tmp_path: Path) -> Path:
    """A copy of MIMIC-IV."""
    return Path(shutil.copytree(linked.records, tmp_path / "mimiciv" / "3.1"))


@pytest.fixture(scope="module")
def expected(linked: Linked, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    cache = str(tmp_path_factory.mktemp("cache"))
    return rows(linked, linked.records, cache)


def rows(linked: Linked, mimic_iv: object, cache: str, **options: Any) -> list[dict[str, Any]]:
    return load_rows(
        "mimic_cxr_jpg", linked.release, cache, "reports", mimic_iv=str(mimic_iv), **options
    )


def as_it_is(root: Path) -> Path:
    return root


def the_folder_above(root: Path) -> Path:
    return root.parent


def two_folders_above(root: Path) -> Path:
    return root.parent.parent


def hosp_itself(root: Path) -> Path:
    return root / "hosp"


def zipped(root: Path) -> Path:
    shutil.make_archive(str(root.parent / "mimic-iv-3.1"), "zip", root.parent, "3.1")
    return root.parent / "mimic-iv-3.1.zip"


def flat(root: Path) -> Path:
    for file in list(root.rglob("*.csv.gz")):
        file.rename(root / file.name)
    return root


def unpacked(root: Path) -> Path:
    for file in list(root.rglob("*.csv.gz")):
        edit_table(file, lambda table: table)
        file.rename(file.with_suffix(""))
    return root


def with_ed_as_wget_leaves_it(root: Path) -> Path:
    shutil.move(root / "ed", root.parent.parent / "mimic-iv-ed" / "2.2" / "ed")
    return root


@pytest.mark.parametrize(
    "form",
    [the_folder_above, two_folders_above, hosp_itself, zipped, flat, unpacked,
     with_ed_as_wget_leaves_it],
)  # fmt: skip
def test_it_is_found_in_every_form_in_which_people_have_it(
    form: Callable[[Path], Path], linked: Linked, records: Path, expected: object, cache: str
) -> None:
    assert rows(linked, form(records), cache) == expected


def test_of_several_versions_below_the_newest_is_read_and_named(
    linked: Linked, records: Path, cache: str, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(records, records.parent / "2.2")
    with caplog.at_level(logging.WARNING):
        rows(linked, records.parent, cache)
    assert f"the tables are read from {records}" in caplog.text


# --- what is refused ------------------------------------------------------------------------------


def refuse(linked: Linked, cache: str, error: type[CxrError], *parts: str, **options: Any) -> str:
    return refused(linked.release, cache, error, *parts, **options)


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("PATIENTS.csv.gz", "ADMISSIONS.csv.gz"), ("This is MIMIC-III", "PATIENTS.csv.gz")),
        (("ed/edstays.csv.gz",), ("This is MIMIC-IV-ED", "beside its hosp/")),
        (("ed/edstays.csv.gz", "hosp/admissions.csv.gz"), ("Pass the folder that holds hosp/",)),
        (("notes.txt",), ("notes.txt", "https://physionet.org/content/mimiciv/")),
    ],
)
def test_another_folder_is_told_from_mimic_iv(
    linked: Linked, tmp_path: Path, cache: str, names: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    for name in names:
        rewrite(tmp_path / "other" / name, b"x")
    refuse(
        linked, cache, ReleaseError, f"mimic_iv={tmp_path / 'other'} is not a copy of MIMIC-IV",
        "expected hosp/patients.csv.gz", *parts, mimic_iv=str(tmp_path / "other"),
    )  # fmt: skip


def test_a_folder_that_is_not_there_is_named(linked: Linked, tmp_path: Path, cache: str) -> None:
    refuse(
        linked, cache, ReleaseError, f"mimic_iv={tmp_path / 'none'} does not exist",
        "https://physionet.org/content/mimiciv/", mimic_iv=str(tmp_path / "none"),
    )  # fmt: skip


@pytest.mark.parametrize("given", ["", 7, "https://user:secret@physionet.org/files/mimiciv/3.1"])
def test_what_is_no_plain_address_is_refused(linked: Linked, cache: str, given: object) -> None:
    with pytest.raises(OptionError, match="mimic_iv") as caught:
        load_rows("mimic_cxr_jpg", linked.release, cache, mimic_iv=given)
    assert "secret" not in str(caught.value)


def test_without_admissions_the_file_is_named(linked: Linked, records: Path, cache: str) -> None:
    (records / ADMISSIONS).unlink()
    refuse(
        linked, cache, TableError, str(records), ADMISSIONS, mimic_iv=str(records)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("table", "column"),
    [(PATIENTS, "anchor_year"), (ADMISSIONS, "dischtime"), (ADMISSIONS, "race"),
     ("icu/icustays.csv.gz", "outtime"), ("ed/edstays.csv.gz", "intime")],
)  # fmt: skip
def test_a_missing_column_is_named(
    linked: Linked, records: Path, cache: str, table: str, column: str
) -> None:
    edit_table(records / table, lambda rows: rows.drop(columns=column))
    refuse(
        linked, cache, TableError, str(records / table), repr(column), mimic_iv=str(records)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("table", "column", "cell", "told"),
    [(PATIENTS, "gender", "X", "'F', 'M'"), (PATIENTS, "anchor_age", "200", "from 0 to 120"),
     (ADMISSIONS, "admittime", "5/6/2180 22:23", "such as 2180-05-06 22:23:00"),
     (ADMISSIONS, "dischtime", "2180-02-31 10:00:00", "such as 2180-05-06 22:23:00"),
     (ADMISSIONS, "hadm_id", "2e7", "scientific notation")],
)  # fmt: skip
def test_a_cell_that_is_none_is_named(
    linked: Linked, records: Path, cache: str, table: str, column: str, cell: str, told: str
) -> None:
    edit_table(
        records / table,
        lambda rows: rows.assign(**{column: [*rows[column][:1], cell, *rows[column][2:]]}),
    )
    refuse(
        linked, cache, TableError, str(records / table), repr(column), told, mimic_iv=str(records)
    )  # fmt: skip


def test_an_admission_that_stands_twice_is_refused(
    linked: Linked, records: Path, cache: str
) -> None:
    edit_table(
        records / ADMISSIONS,
        lambda rows: rows.assign(hadm_id=[rows["hadm_id"][0], *rows["hadm_id"][:-1]]),
    )
    refuse(linked, cache, TableError, "'hadm_id' must not repeat", mimic_iv=str(records))


def test_ids_of_mimic_iii_are_told_as_such(linked: Linked, records: Path, cache: str) -> None:
    edit_table(
        records / PATIENTS,
        lambda rows: rows.assign(subject_id=[str(number + 100) for number in range(len(rows))]),
    )
    refuse(linked, cache, TableError, "MIMIC-III", "10000000", mimic_iv=str(records))


def test_a_damaged_table_is_named(linked: Linked, records: Path, cache: str) -> None:
    content = (records / ADMISSIONS).read_bytes()
    rewrite(records / ADMISSIONS, content[: len(content) // 2])
    refuse(
        linked, cache, TableError, str(records / ADMISSIONS), "fetch it again",
        mimic_iv=str(records),
    )  # fmt: skip


def test_an_empty_table_is_an_unfinished_download_and_gives_way_to_an_unpacked_one(
    linked: Linked, records: Path, expected: object, cache: str
) -> None:
    unpacked_table = records / "hosp" / "admissions.csv"
    unpacked_table.write_bytes(gzip.decompress((records / ADMISSIONS).read_bytes()))
    rewrite(records / ADMISSIONS, b"")
    assert rows(linked, records, cache) == expected
    unpacked_table.unlink()
    refuse(
        linked, str(Path(cache, "other")), TableError, str(records / ADMISSIONS), "is empty",
        mimic_iv=str(records),
    )  # fmt: skip


@pytest.mark.parametrize("place", ["", ADMISSIONS])
def test_what_this_user_may_not_read_is_named(
    linked: Linked, records: Path, cache: str, place: str
) -> None:
    error = TableError if place else ReleaseError
    with closed(records / place):
        refuse(linked, cache, error, "permission denied", mimic_iv=str(records))


def test_the_command_line_says_it_in_one_line(
    linked: Linked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["export", "mimic-cxr-jpg", "--data-dir", str(linked.release), "--out", str(out)]
    rewrite(tmp_path / "other" / "notes.txt", b"x")
    words += ["--mimic-iv", str(tmp_path / "other")]
    assert main(words) != 0
    told = capsys.readouterr().err
    assert "is not a copy of MIMIC-IV" in told
    assert "Traceback" not in told
    assert not out.exists()


# --- the cache ------------------------------------------------------------------------------------


def test_a_changed_table_is_read_anew(linked: Linked, records: Path, cache: str) -> None:
    before = rows(linked, records, cache)
    edit_table(records / PATIENTS, lambda table: table.assign(gender="F"))
    after = rows(linked, records, cache)
    assert {row["sex"] for row in before} == {"F", "M", None}
    assert {row["sex"] for row in after} == {"F", None}


# --- PhysioNet ------------------------------------------------------------------------------------


@pytest.fixture
def login(monkeypatch: pytest.MonkeyPatch, short_waits: None) -> None:
    monkeypatch.setenv("PHYSIONET_HOST", "127.0.0.1")
    monkeypatch.setenv("PHYSIONET_USERNAME", USER)
    monkeypatch.setenv("PHYSIONET_PASSWORD", PASSWORD)


def served(linked: Linked, **options: Any) -> PhysioNet:
    return PhysioNet(
        {"files/mimiciv/3.1": linked.records}, agents=("cxr-datasets/",), tests_cookies=True,
        encrypted=True, **options,
    )  # fmt: skip


def test_it_is_read_from_physionet_with_the_login_of_the_release(
    linked: Linked, expected: object, cache: str, login: None
) -> None:
    with served(linked) as server:
        address = server.address("files/mimiciv/3.1/")
        assert rows(linked, address, cache) == expected
        assert server.max_concurrent <= 8
        asked = {request.path for request in server.requests if request.method == "GET"}
    assert {path.rpartition("/")[2] for path in asked} == {
        "patients.csv.gz", "admissions.csv.gz", "icustays.csv.gz", "edstays.csv.gz"
    }  # fmt: skip


def test_a_login_that_has_not_signed_is_told_so(linked: Linked, cache: str, login: None) -> None:
    with served(linked, signed=()) as server:
        refuse(
            linked, cache, StoreError, "patients.csv.gz",
            mimic_iv=server.address("files/mimiciv/3.1"),
        )  # fmt: skip


def test_a_refused_mimic_iv_ed_is_told_and_its_columns_are_null(
    linked: Linked, records: Path, cache: str, login: None, caplog: pytest.LogCaptureFixture
) -> None:
    ed = records.parent.parent / "mimic-iv-ed"
    shutil.move(records / "ed", ed / "2.2" / "ed")
    folders = {"files/mimiciv/3.1": records, "files/mimic-iv-ed/2.2": ed / "2.2"}
    signed = {"files/mimiciv/3.1": [USER], "files/mimic-iv-ed/2.2": []}
    options: dict[str, Any] = {
        "agents": ("cxr-datasets/",),
        "tests_cookies": True,
        "encrypted": True,
    }
    with PhysioNet(folders, signed=signed, **options) as server:
        found = rows(linked, server.address("files/mimiciv/3.1"), cache)
    assert {row["ed_stay_id"] for row in found} == {row["ed_stay_hits"] for row in found} == {None}
    (line,) = [text for text in caplog.messages if text.startswith("MIMIC-IV and")]
    assert "ed_stay_id is null, as no edstays.csv.gz was found (" in line
    assert "data use agreement" in line


def test_mimic_iv_ed_is_found_beside_on_physionet(
    linked: Linked, records: Path, expected: object, cache: str, login: None
) -> None:
    ed = records.parent.parent / "mimic-iv-ed"
    shutil.move(records / "ed", ed / "2.2" / "ed")
    folders = {"files/mimiciv/3.1": records, "files/mimic-iv-ed/2.2": ed / "2.2"}
    options: dict[str, Any] = {
        "agents": ("cxr-datasets/",),
        "tests_cookies": True,
        "encrypted": True,
    }
    with PhysioNet(folders, **options) as server:
        assert rows(linked, server.address("files/mimiciv/3.1"), cache) == expected


def test_a_path_does_as_well_as_a_text_in_an_export_too(
    linked: Linked, expected: object, cache: str, tmp_path: Path
) -> None:
    found = load_rows("mimic_cxr_jpg", linked.release, cache, "reports", mimic_iv=linked.records)
    assert found == expected
    export(
        "mimic-cxr-jpg", linked.release, tmp_path / "out", config="reports", progress=False,
        mimic_iv=linked.records,
    )  # fmt: skip
    assert list((tmp_path / "out" / "reports").glob("*.parquet"))


def test_a_build_of_two_processes_has_the_same_columns(
    linked: Linked, expected: list[dict[str, Any]], cache: str
) -> None:
    found = rows(linked, linked.records, cache, num_proc=2)
    assert found == expected
