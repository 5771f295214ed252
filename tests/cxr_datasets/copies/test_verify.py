"""A copy of a release is told with what is wrong in it: tables, images, reports."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cxr_datasets.builder.published import Published
from cxr_datasets.cli import main
from cxr_datasets.copies import download, verify
from cxr_datasets.copies.folder import NOTE
from cxr_datasets.errors import OptionError
from cxr_datasets.storage import tree
from cxr_datasets.testing import copy_release, edit_table, read_table, rewrite

SPLIT = "mimic-cxr-2.0.0-split.csv"
METADATA = "mimic-cxr-2.0.0-metadata.csv"
CHEXPERT = "mimic-cxr-2.0.0-chexpert.csv"
State = Callable[[Path], dict[str, tuple[int, int]]]


def problems(place: Path, **options: Any) -> dict[str, int]:
    return verify(place, progress=False, **options).findings.problems


def rows_of(place: Path, file: Path, **options: Any) -> list[dict[str, str]]:
    verify(place, report=file, progress=False, **options)
    with open(file, newline="") as read:
        return list(csv.DictReader(read))


def images_of(root: Path) -> list[Path]:
    return sorted(root.rglob("*.jpg")) or sorted(
        root / "images" / "images_normalized" / name
        for name in read_table(root / "indiana_projections.csv")["filename"]
    )


def without_rows(file: Path, count: int) -> pd.DataFrame:
    table = read_table(file)
    edit_table(file, lambda rows: rows.iloc[:-count])
    return table.iloc[-count:]


@pytest.fixture(params=["mimic", "indiana"])
def copy(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


# --- whole ----------------------------------------------------------------------------------------


def test_a_whole_copy_has_no_problem_and_is_told_in_a_table(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(copy), "--no-progress"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = printed.out.splitlines()
    images = len(images_of(copy))
    assert lines[0].startswith(f"{copy}: a copy of ")
    assert f"images present     {images}".split() in [line.split() for line in lines]
    assert lines[-1] == "No problem was found."


def test_all_of_it_is_one_json_object(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(copy), "--json", "--decode", "--no-progress"]) == 0
    told = json.loads(capsys.readouterr().out)
    images = len(images_of(copy))
    assert told["problems"] == {}
    assert told["images"]["listed"] == told["images"]["present"] == images
    assert told["checks"] == [{"check": "decode", "files": images, "right": images}]
    assert {table["rows"] for table in told["tables"]} <= set(range(1, 100))


def test_nothing_of_the_copy_changes(copy: Path, state_of: State, tmp_path: Path) -> None:
    before = state_of(copy)
    verify(copy, sizes=True, checksums=True, decode=True, report=tmp_path / "report.csv",
           since=tmp_path / "state", progress=False)  # fmt: skip
    assert state_of(copy) == before


@pytest.mark.parametrize("reports", ["zip", "tar.gz", "tree", "none"])
def test_studies_with_a_text_are_counted_in_each_form_of_the_reports(
    reports: str, tmp_path: Path
) -> None:
    from mimic_cxr_jpg.synthetic import write_release

    root = write_release(tmp_path / "out", patients=4, seed=2, scale=1 / 64, reports=reports)
    verified = verify(root, progress=False)
    assert verified.problems == 0
    if reports == "none":
        assert verified.texts is None
        assert "no reports were found" in str(verified)
        return
    studies = read_table(root / f"{SPLIT}.gz")["study_id"].nunique()
    assert verified.texts is not None
    assert verified.texts.studies == studies
    assert verified.texts.with_text == studies - verified.findings.notes.get("no_text", 0)


def test_texts_that_are_not_there_are_counted(tmp_path: Path) -> None:
    from mimic_cxr_jpg.synthetic import write_release

    root = write_release(tmp_path / "out", patients=4, seed=2, scale=1 / 64, reports="tree")
    before = verify(root, progress=False).texts
    text = sorted(root.rglob("files/*/*/s*.txt"))[0]
    text.unlink()
    verified = verify(root, progress=False)
    assert before is not None
    assert verified.texts is not None
    assert verified.texts.with_text == before.with_text - 1
    rows = verified.findings.rows().to_pylist()
    assert text.stem[1:] in {row["study_id"] for row in rows if row["problem"] == "no_text"}


def test_an_archive_of_reports_that_was_cut_is_a_problem(mimic: Path) -> None:
    archive = mimic / "mimic-cxr-reports.zip"
    rewrite(archive, archive.read_bytes()[:-200])
    assert problems(mimic) == {"reports_unreadable": 1}


def test_kaggles_archive_is_verified_in_place(tiny_indiana: Path, tmp_path: Path) -> None:
    made = shutil.make_archive(str(tmp_path / "archive"), "zip", tiny_indiana)
    verified = verify(made, decode=True, progress=False)
    assert verified.problems == 0
    assert verified.images is not None
    assert verified.images.present == verified.checks[0].right > 5


# --- tables ---------------------------------------------------------------------------------------


def test_a_row_missing_in_one_table_is_listed_by_its_id(mimic: Path, tmp_path: Path) -> None:
    lost = without_rows(mimic / METADATA, 1)
    rows = rows_of(mimic, tmp_path / "report.csv")
    (row,) = [row for row in rows if row["problem"] == "no_metadata"]
    assert row["image_id"] == lost["dicom_id"].iloc[0]
    assert row["study_id"] == lost["study_id"].iloc[0]
    assert row["path"] == METADATA
    lost = without_rows(mimic / SPLIT, 2)
    assert problems(mimic)["not_in_split_table"] == len(set(lost["dicom_id"]) - {row["image_id"]})


def test_a_study_that_one_table_of_labels_lacks_is_listed(mimic: Path, tmp_path: Path) -> None:
    lost = without_rows(mimic / CHEXPERT, 1)
    rows = rows_of(mimic, tmp_path / "report.csv")
    found = {row["study_id"] for row in rows if row["problem"] == "only_negbio_labels"}
    assert found == {lost["study_id"].iloc[0]}
    assert problems(mimic) == {"only_negbio_labels": 1}


def test_a_table_that_was_cut_is_told(mimic: Path) -> None:
    table = mimic / CHEXPERT
    rewrite(table, table.read_bytes()[:-30])
    assert set(problems(mimic)) <= {"table_unreadable", "only_negbio_labels", "bad_cell"}
    assert problems(mimic)
    assert main(["verify", str(mimic), "--no-progress"]) == 1


def test_indianas_tables_are_compared_with_each_other(indiana: Path, tmp_path: Path) -> None:
    lost = without_rows(indiana / "indiana_reports.csv", 1)["uid"].iloc[0]
    rows = rows_of(indiana, tmp_path / "report.csv")
    assert [(row["problem"], row["study_id"]) for row in rows if row["problem"] != "extra"] == [
        ("no_report", lost)
    ]
    edit_table(
        indiana / "indiana_projections.csv", lambda table: table[table["uid"] != table["uid"][0]]
    )
    assert problems(indiana)["report_without_images"] == 1


def test_a_patient_in_two_splits_is_a_problem(mimic: Path, tmp_path: Path) -> None:
    table = read_table(mimic / SPLIT)
    patient = table["subject_id"].value_counts().index[0]
    rows = table.index[table["subject_id"] == patient]

    def move(table: pd.DataFrame) -> None:
        now = table["split"][rows[0]]
        table.loc[rows[-1], "split"] = "test" if now != "test" else "train"

    edit_table(mimic / SPLIT, move)
    found = rows_of(mimic, tmp_path / "report.csv")
    (row,) = [row for row in found if row["problem"] == "patient_in_two_splits"]
    assert row["image_id"] == table["dicom_id"][rows[-1]]
    assert f"subject_id {patient}" in row["found"]


@pytest.mark.parametrize(
    ("column", "value", "word"),
    [
        ("dicom_id", "../../etc/passwd", "bad_cell"),
        ("split", "training", "bad_cell"),
        ("subject_id", "7", "bad_cell"),
        ("study_id", "", "empty_cell"),
    ],
)
def test_a_cell_that_cannot_be_is_a_problem_and_becomes_no_path(
    column: str, value: str, word: str, mimic: Path
) -> None:
    edit_table(mimic / SPLIT, lambda table: table.__setitem__(column, [value, *table[column][1:]]))
    verified = verify(mimic, progress=False)
    assert verified.findings.problems[word] == 1
    assert verified.images is not None
    assert verified.images.listed == len(read_table(mimic / SPLIT)) - 1
    assert verified.images.extra == 1


def test_a_row_that_stands_twice_is_a_problem(mimic: Path, indiana: Path) -> None:
    edit_table(mimic / METADATA, lambda table: pd.concat([table, table[:2]]))
    assert problems(mimic) == {"repeated": 2}
    edit_table(indiana / "indiana_reports.csv", lambda table: pd.concat([table, table[:1]]))
    assert problems(indiana) == {"repeated": 1}


def test_metadata_of_another_study_are_a_problem(mimic: Path) -> None:
    def swap(table: pd.DataFrame) -> None:
        first, last = table["study_id"].iloc[0], table["study_id"].iloc[-1]
        table.loc[0, "study_id"] = last if last != first else str(int(first) + 1)

    edit_table(mimic / METADATA, swap)
    assert problems(mimic) == {"other_study": 1}


def test_a_table_that_is_not_there_is_a_problem(mimic: Path, indiana: Path) -> None:
    (mimic / METADATA).unlink()
    (indiana / "indiana_projections.csv").unlink()
    assert problems(mimic) == {"table_absent": 1}
    verified = verify(indiana, progress=False)
    assert verified.findings.problems == {"table_absent": 1}
    assert verified.images is None


def test_where_one_table_has_the_published_rows_all_must(
    mimic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mimic_cxr_jpg import MimicCxrJpg

    rows = {name: len(read_table(mimic / f"mimic-cxr-2.0.0-{name}.csv"))
            for name in ("split", "metadata", "chexpert", "negbio")}  # fmt: skip
    published = pretend(MimicCxrJpg.PUBLISHED, {**rows, "chexpert": rows["chexpert"] + 5})
    monkeypatch.setattr(MimicCxrJpg, "PUBLISHED", published)
    found = problems(mimic)
    assert found["other_count"] == 2  # and the radiologists' labels
    assert found["other_split"] == 4  # and their sum
    assert found["no_text"] == 1
    assert verify(mimic, progress=False).as_published


def pretend(published: Any, rows: dict[str, int]) -> Published:
    """The same release as if it had been published with so many rows."""
    from dataclasses import replace

    tables = tuple(
        replace(table, rows=dict.fromkeys(table.rows, rows.get(table.name, 1)))
        for table in published.tables
    )
    return replace(published, tables=tables)


# --- image files ----------------------------------------------------------------------------------


def test_absent_unfinished_and_extra_images_are_listed(copy: Path, tmp_path: Path) -> None:
    absent, empty, begun, extra = images_of(copy)[:4]
    extra = extra.with_name("9" + extra.name)
    absent.unlink()
    rewrite(empty, b"")
    begun.rename(begun.with_name(begun.name + "_.gstmp"))
    rewrite(extra, b"x")
    verified = verify(copy, report=tmp_path / "report.csv", progress=False)
    images = verified.images
    assert images is not None
    assert (images.absent, images.unfinished) == (1, 2)
    assert images.present == images.listed - 3
    more = images.extra - 1  # those of Indiana that no table lists
    assert verified.findings.problems == {"absent": 1, "unfinished": 2, "extra": 1 + more}
    found = rows_of(copy, tmp_path / "report.csv")
    paths = {row["problem"]: row["path"] for row in found if row["problem"] != "unfinished"}
    assert paths["absent"] == absent.relative_to(copy).as_posix()
    assert str(extra.relative_to(copy)) in {r["path"] for r in found if r["problem"] == "extra"}
    unfinished = {row["path"] for row in found if row["problem"] == "unfinished"}
    assert unfinished == {file.relative_to(copy).as_posix() for file in (empty, begun)}
    assert {row["found"] for row in found if row["problem"] == "unfinished"} == {
        "0 bytes", "none",
    }  # fmt: skip


def test_a_part_is_whole_without_the_images_that_were_not_asked_for(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for image in images_of(copy)[2:]:
        image.unlink()
    assert main(["verify", str(copy), "--no-progress"]) == 1
    capsys.readouterr()
    assert main(["verify", str(copy), "--part", "--no-progress"]) == 0
    assert capsys.readouterr().out.endswith("it is a part of the release.\n")
    rewrite(images_of(copy)[0], b"")
    assert problems(copy, part=True) == {"unfinished": 1}


def test_of_a_part_that_was_downloaded_only_what_was_asked_for_is_missed(copy: Path) -> None:
    kept, lost, *others = images_of(copy)
    for image in (lost, *others):
        image.unlink()
    asked = [file.relative_to(copy).as_posix() for file in (kept, lost)]
    rewrite(copy / NOTE / "asked", f"{asked[0]}\n".encode())
    verified = verify(copy, progress=False)
    assert (verified.place.kind, verified.problems) == ("part", 0)
    rewrite(copy / NOTE / "asked", "\n".join(asked).encode())
    assert problems(copy) == {"absent": 1}
    assert problems(copy, part=True) == {}
    rewrite(copy / NOTE / "whole", b"")
    verified = verify(copy, progress=False)
    assert verified.place.kind == "release"
    assert verified.findings.problems == {"absent": 1 + len(others)}


def test_what_a_download_of_a_few_images_leaves_is_a_part_without_problems(
    tiny_mimic: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    download("mimic-cxr-jpg", out, source=tiny_mimic, limit=3, progress=False)
    verified = verify(out, sizes=True, checksums=True, decode=True, progress=False)
    assert (verified.place.kind, verified.problems) == ("part", 0)
    assert [done.right for done in verified.checks] == [3, 3, 3]
    images_of(out)[0].unlink()
    assert problems(out) == {"absent": 1}


def test_images_in_another_layout_are_found(mimic: Path) -> None:
    (mimic / "images").mkdir()
    for image in images_of(mimic):
        image.rename(mimic / "images" / image.name)
    verified = verify(mimic, sizes=True, checksums=True, progress=False)
    assert verified.problems == 0
    assert verified.images is not None
    assert verified.images.form == "images/<dicom_id>.jpg"
    assert verified.checks[1].right == verified.images.present


# --- files that are written -----------------------------------------------------------------------


def test_the_report_has_its_columns_and_is_closed_where_there_is_an_agreement(
    mimic: Path, indiana: Path, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    for copy, others in ((mimic, 0), (indiana, stat.S_IROTH)):
        images_of(copy)[0].unlink()
        report = tmp_path / f"{copy.name}.csv"
        assert main(["verify", str(copy), "--report", str(report), "--no-progress"]) == 1
        header = report.read_text().splitlines()[0].replace('"', "")
        assert header == "problem,image_id,study_id,path,expected,found"
        assert report.stat().st_mode & stat.S_IRWXO == others
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


@pytest.mark.parametrize("option", ["report", "since", "log"])
def test_nothing_is_written_into_the_copy_or_where_nothing_can_be(
    option: str, mimic: Path, tmp_path: Path, state_of: State
) -> None:
    before = state_of(mimic)
    with pytest.raises(OptionError, match="lies in the copy"):
        verify(mimic, **{option: mimic / "file"})
    with pytest.raises(OptionError, match="in a folder that is there"):
        verify(mimic, **{option: tmp_path / "nowhere" / "file"})
    with pytest.raises(OptionError, match="no file on a disk"):
        verify(mimic, **{option: "s3://bucket/file"})
    assert main(["verify", str(mimic), f"--{option}", str(mimic / "file")]) == 2
    assert state_of(mimic) == before


def test_a_copy_of_a_copy_leads_elsewhere_and_is_listed_through_links(
    tiny_mimic: Path, tmp_path: Path
) -> None:
    copy = copy_release(tiny_mimic, tmp_path / "copy")
    (copy / "files").rename(tmp_path / "larger-disk")
    (copy / "files").symlink_to(tmp_path / "larger-disk")
    (tmp_path / "larger-disk" / "p10" / "circle").parent.mkdir(exist_ok=True)
    (tmp_path / "larger-disk" / "p10" / "circle").symlink_to(tmp_path / "larger-disk")
    verified = verify(copy, progress=False)
    assert verified.images is not None
    assert verified.images.absent == 0


def test_a_log_says_what_was_verified_and_names_no_image(mimic: Path, tmp_path: Path) -> None:
    log, lost = tmp_path / "audit.jsonl", images_of(mimic)[0]
    lost.unlink()
    words = ["verify", str(mimic), "--checksums", "--no-progress", "--log", str(log)]
    assert main(words) == 1
    (line,) = map(json.loads, log.read_text().splitlines())
    assert (line["verb"], line["outcome"]) == ("verify", "problems")
    assert line["counts"]["absent"] == 1
    sums = (mimic / "SHA256SUMS.txt").read_bytes()
    assert line["manifests"] == {"SHA256SUMS.txt": hashlib.sha256(sums).hexdigest()}
    assert lost.stem not in log.read_text()
    assert main([*words[:-1], str(mimic / "audit.jsonl")]) == 2


def test_a_folder_that_may_not_be_listed_is_an_error_and_no_absence(
    mimic: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closed, real = images_of(mimic)[0].parent, os.scandir

    def scan(folder: Any) -> Any:
        if os.fspath(folder) == str(closed):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(closed))
        return real(folder)

    monkeypatch.setattr(tree.os, "scandir", scan)
    assert main(["verify", str(mimic), "--no-progress"]) == 1
    assert capsys.readouterr().err.startswith(f"cxr: {closed} cannot be listed: Permission denied")
