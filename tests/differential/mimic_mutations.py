"""What may happen to a copy of MIMIC-CXR-JPG, or be in it, and must not change any other row."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.differential import material as any_table
from tests.differential.material import ODD_TEXTS, Cells, Material, Table, read_tables
from tests.differential.mimic_reader import VIEW_NAMES
from tests.differential.reading import VIEWS
from tests.mimic_cxr_jpg.reports.official import OFFICIAL_PROCEDURES, OFFICIAL_SPELLINGS

SPLIT, METADATA = "mimic-cxr-2.0.0-split.csv", "mimic-cxr-2.0.0-metadata.csv"
LABEL_TABLES = ("mimic-cxr-2.0.0-chexpert.csv", "mimic-cxr-2.0.0-negbio.csv")
RADIOLOGIST = "mimic-cxr-2.1.0-test-set-labeled.csv"

_POSITIONS = [position for positions in VIEW_NAMES.values() for position in positions]
_ODD_POSITIONS = ("", "pa", "PA ", "AP OBLIQUE", "SWIMMER", "L5 S1", "unknown", "frontal")
_SPELLINGS = [name for names in OFFICIAL_SPELLINGS.values() for name in names.split("|")]


def read_material(release: Path) -> Material:
    """Read an invented release whose reports are a zip."""
    with zipfile.ZipFile(release / "mimic-cxr-reports.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".txt")]
        texts = {name: archive.read(name) for name in names}
    files = (release / "files").rglob("*.jpg")
    images = {file.relative_to(release).as_posix(): file for file in files}
    return Material(read_tables(release), texts, images)


def _folder(row: Cells) -> str:
    return f"files/p{row['subject_id'][:2]}/p{row['subject_id']}"


def _image(row: Cells) -> str:
    return f"{_folder(row)}/s{row['study_id']}/{row['dicom_id']}.jpg"


def text_place(row: Cells) -> str:
    """Where the report of a row's study is."""
    return f"{_folder(row)}/s{row['study_id']}.txt"


def _labels_of(table: Table) -> list[str]:
    return [name for name in table.names if name not in ("subject_id", "study_id")]


def _both(material: Material) -> Iterator[tuple[Cells, Cells]]:
    """Each row of the split table with its row of the metadata."""
    about = {row["dicom_id"]: row for row in material.tables[METADATA].rows}
    for row in material.tables[SPLIT].rows:
        yield row, about[row["dicom_id"]]


# Which images, studies and patients there are.


def merge_studies(material: Material, rng: random.Random) -> None:
    """Give all images of a few patients to one study: it has many, and others have none."""
    subjects = sorted({row["subject_id"] for row in material.tables[SPLIT].rows})
    chosen = set(rng.sample(subjects, len(subjects) // 3))
    first: dict[str, str] = {}
    for row, about in _both(material):
        if row["subject_id"] in chosen:
            study = first.setdefault(row["subject_id"], row["study_id"])
            _move(material, row, about, study_id=study)
            for name in ("StudyDate", "StudyTime"):
                about[name] = "21500607" if name == "StudyDate" else "80556.875"


def divide_studies(material: Material, rng: random.Random) -> None:
    """Give every image a study of its own, most of them without labels and report."""
    for number, (row, about) in enumerate(_both(material)):
        if rng.random() < 0.8:
            _move(material, row, about, study_id=str(59_000_000 + number))


def extreme_ids(material: Material, rng: random.Random) -> None:
    """Use the first and last ids of their ranges, and dicom ids that differ in one digit."""
    rows = list(_both(material))
    zeros = "-".join(["00000000"] * 5)
    for (row, about), image in zip(rng.sample(rows, 3), ("0", "1", "f"), strict=True):
        _move(material, row, about, dicom_id=zeros[:-1] + image)
    (row, about), (other, other_about) = rng.sample(rows, 2)
    _move(material, row, about, study_id="50000000", subject_id="10000000")
    _move(material, other, other_about, study_id="59999999", subject_id="19999999")


def _move(material: Material, row: Cells, about: Cells, **ids: str) -> None:
    file = material.images.pop(_image(row))
    row.update(ids)
    about.update(ids)
    material.images[_image(row)] = file


def fewer_images(material: Material, rng: random.Random) -> None:
    """Leave images out of both tables, as a copy of a part of the release does."""
    split, metadata = material.tables[SPLIT], material.tables[METADATA]
    split.rows = rng.sample(split.rows, max(3, len(split.rows) // rng.choice((2, 4))))
    kept = {row["dicom_id"] for row in split.rows}
    metadata.rows = [row for row in metadata.rows if row["dicom_id"] in kept]


def redraw_splits(material: Material, rng: random.Random) -> None:
    """Draw the split of each patient anew; at times all get one."""
    names = rng.choice((["train", "validate", "test"], ["test"], ["validate", "train"]))
    drawn: dict[str, str] = {}
    for row in material.tables[SPLIT].rows:
        row["split"] = drawn.setdefault(row["subject_id"], rng.choice(names))


# What the tables say of them.


def redraw_views(material: Material, rng: random.Random) -> None:
    """Draw the views anew, those that nobody has heard of among them."""
    for row in material.tables[METADATA].rows:
        row["ViewPosition"] = rng.choice([*_POSITIONS, *_ODD_POSITIONS])


def odd_metadata(material: Material, rng: random.Random) -> None:
    """Write odd texts, blanks, sizes, and times of every form into the metadata."""
    texts = ("PerformedProcedureStepDescription", "ViewCodeSequence_CodeMeaning",
             "PatientOrientationCodeSequence_CodeMeaning")  # fmt: skip
    dates: dict[str, tuple[str, str]] = {}
    for row in material.tables[METADATA].rows:
        for name in texts:
            row[name] = rng.choice(ODD_TEXTS)
        row["Rows"], row["Columns"] = (rng.choice(("", "1", "65535", "3056")) for _ in range(2))
        time = rng.choice(_TIMES)
        date = rng.choice(("", "21000101", "22001231", "21040229", "21991130"))
        row["StudyDate"], row["StudyTime"] = dates.setdefault(row["study_id"], (date, time))


_TIMES = (
    "", "0.0", "0", "5.25", "59.999", "100.0", "3000.001", "80556.875", "213014.53100000002",
    "235959.999", "120000.0004", "70809", "93015.24999999999", "60000.5",
)  # fmt: skip


def no_label_rows(material: Material, rng: random.Random) -> None:
    """Take the label rows of some studies away; at times of all but one."""
    for name in (*LABEL_TABLES, RADIOLOGIST):
        rows = material.tables[name].rows
        material.tables[name].rows = rng.sample(rows, rng.choice((1, max(1, len(rows) // 2))))


def redraw_labels(material: Material, rng: random.Random) -> None:
    """Draw all labels anew, in every notation, many of them uncertain or blank."""
    notations = rng.choice(
        (("1.0", "0.0", "-1.0", ""), ("1", "0", "-1", ""), ("", "", "", "-1.0"), ("-1.0",), ("",))
    )
    for name in (*LABEL_TABLES, RADIOLOGIST):
        table = material.tables[name]
        for row in table.rows:
            row |= {label: rng.choice(notations) for label in _labels_of(table)}


def labels_of_others(material: Material, rng: random.Random) -> None:
    """Add label rows of studies that the split table does not list."""
    for name in (*LABEL_TABLES, RADIOLOGIST):
        table = material.tables[name]
        for number in range(rng.randint(1, 5)):
            row = dict.fromkeys(table.names, "1.0")
            row |= {"study_id": str(58_000_000 + number), "subject_id": "15000000"}
            table.rows.insert(rng.randint(0, len(table.rows)), row)


def no_label_tables(material: Material, rng: random.Random) -> None:
    """Leave out one of the tables of labels, or both."""
    for name in rng.choice((LABEL_TABLES, LABEL_TABLES[:1], LABEL_TABLES[1:])):
        del material.tables[name]


def no_radiologist(material: Material, rng: random.Random) -> None:
    """Leave out the table that only release 2.1.0 has."""
    del material.tables[RADIOLOGIST]
    material.beside["IMAGE_FILENAMES"] = b"files/p10/nothing.jpg\n"


# Reports.


def absent_reports(material: Material, rng: random.Random) -> None:
    """Leave reports out, and cut others to nothing."""
    for place in rng.sample(sorted(material.texts), len(material.texts) // 2):
        if rng.random() < 0.7:
            del material.texts[place]
        else:
            material.texts[place] = b""


def odd_reports(material: Material, rng: random.Random) -> None:
    """Write reports anew, from pieces that look like headers and pieces that only nearly do."""
    for place in rng.sample(sorted(material.texts), len(material.texts) * 3 // 4):
        text = "".join(rng.choice(_PIECES)(rng) for _ in range(rng.randint(1, 12)))
        end = rng.choice(("\n", "\n", "\r\n", "\r"))
        encoding = rng.choice(("utf-8", "latin-1"))
        material.texts[place] = text.replace("\n", end).encode(encoding, "replace")


def _known_header(rng: random.Random) -> str:
    return f"\n {rng.choice(_SPELLINGS).upper()}:{rng.choice((' ', '  ', chr(10), chr(9), ''))}"


def _longer_header(rng: random.Random) -> str:
    names = [*_SPELLINGS, *OFFICIAL_PROCEDURES, "unheard of"]
    return f"\n {' '.join(rng.sample(names, 2)).upper()}: "


def _nearly_a_header(rng: random.Random) -> str:
    name = rng.choice(_SPELLINGS)
    return rng.choice(
        (f"\n{name.upper()}: ", f"\n {name}: ", f"\n {name.upper()} :", f"\n {name.upper()} 2: ",
         f"\n  {name.upper()}:\n", f"\n {name.upper()}:x", "\n :", "\n ():\n")
    )  # fmt: skip


def _text(rng: random.Random) -> str:
    return rng.choice(
        ("The heart is not large.", " ___ ", "\n \n", "\n\n", "\n ", "é µ ½", "\x0b", "  ",
         "\n Seen at 7:15: no change. ", "\n " + "_" * 78 + "\n", "FINAL REPORT", "a:b ")
    )  # fmt: skip


_PIECES = (_known_header, _known_header, _longer_header, _nearly_a_header, _text, _text, _text)


# The copy.


def other_files(material: Material, rng: random.Random) -> None:
    """Put in what lies about in copies: listings, unfinished files, a table of another version."""
    material.beside |= {
        "index.html": b"<html></html>",
        "files/index.html": b"<html></html>",
        "files/p10/index.html": b"<html></html>",
        "mimic-cxr-2.0.0-split.csv.gz_.gstmp": b"\x1f\x8b",
        "mimic-cxr-2.1.0-split.csv": b"dicom_id,study_id,subject_id,split\n",
        "SHA256SUMS.txt": b"0 nothing\n",
    }


def choose_views(material: Material, rng: random.Random) -> None:
    """Load only images of some views: the first image's, and others."""
    first = material.tables[METADATA].rows[0]["ViewPosition"]
    some = rng.sample([*VIEWS, *_POSITIONS], rng.randint(1, 3))
    known = first if first in _POSITIONS else "unknown"
    material.options["views"] = [*dict.fromkeys([known, *some])]


def official_sections(material: Material, rng: random.Random) -> None:
    """Cut reports into sections by the official rules."""
    material.options["section_rules"] = "official"


MUTATIONS = (
    merge_studies, divide_studies, extreme_ids, fewer_images, redraw_splits, redraw_views,
    odd_metadata, no_label_rows, redraw_labels, labels_of_others, no_radiologist, absent_reports,
    odd_reports, any_table.unfinished_images, other_files, choose_views, any_table.shuffle_rows,
    any_table.add_columns, any_table.shuffle_columns, no_label_tables, official_sections,
)  # fmt: skip
"""In the order in which they are applied."""
