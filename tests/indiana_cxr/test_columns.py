"""Every column of every config holds what a plain reading of the two tables gives."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from datasets import Dataset, load_dataset

import indiana_cxr  # noqa: F401
from cxr_datasets.cli import main
from cxr_datasets.errors import OptionError
from cxr_datasets.labels import label_text
from cxr_datasets.testing import copy_release, edit_table, read_table
from tests.differential.indiana_reader import labels_of

Row = dict[str, Any]

PROJECTIONS, REPORTS = "indiana_projections.csv", "indiana_reports.csv"
FOLDER = "images/images_normalized"
VIEWS = ["frontal", "lateral", "oblique", "unknown"]
SECTIONS = ("indication", "comparison", "findings", "impression")
LABELS = (
    *("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged Cardiomediastinum"),
    *("Fracture", "Lung Lesion", "Lung Opacity", "No Finding", "Pleural Effusion"),
    *("Pleural Other", "Pneumonia", "Pneumothorax", "Support Devices"),
)


def load(release: Path, cache: str, config: str = "images", **options: Any) -> Dataset:
    return load_dataset(
        "indiana_cxr", config, data_dir=str(release), cache_dir=cache, split="train", **options
    )


def rows_of(dataset: Dataset) -> list[Row]:
    """Rows as they are stored: an image is its path."""
    rows: list[Row] = dataset.with_format("arrow")[:].to_pylist()
    return rows


def without_null(cell: str) -> str | None:
    return cell or None


def studies_of(release: Path) -> dict[int, Row]:
    """Give the columns of each study, read row by row by Python's csv module."""
    with open(release / REPORTS, newline="", encoding="utf-8") as file:
        return {int(row["uid"]): study_of(row) for row in csv.DictReader(file)}


def study_of(row: dict[str, str]) -> Row:
    parts = [f"{name.upper()}:\n{row[name]}" for name in SECTIONS if row[name]]
    return {
        "study_id": int(row["uid"]),
        "subject_id": int(row["uid"]),
        "report": "\n\n".join(parts) or None,
        **{name: without_null(row[name]) for name in SECTIONS},
        "labels": labels_of(row["MeSH"]),
        "labels_text": labels_in(row["findings"] or row["impression"]),
        "mesh": [term.strip() for term in row["MeSH"].split(";")],
        "problems": [problem.strip() for problem in row["Problems"].split(";")],
        "procedure": without_null(row["image"]),
    }


def labels_in(text: str) -> Row | None:
    return label_text(text) if text else None


def images_of(release: Path) -> list[Row]:
    """Give the columns of each image, in the order of the table of images."""
    rows = []
    for image in read_table(release / PROJECTIONS).to_dict("records"):
        path = f"{FOLDER}/{image['filename']}"
        rows.append(
            {
                "image": {"bytes": None, "path": str(release / path)},
                "image_id": image["filename"].removesuffix(".dcm.png"),
                "view": VIEWS.index(image["projection"].lower()),
                "path": path,
                "uid": int(image["uid"]),
            }
        )
    return rows


def edited(indiana_release: Path, tmp_path: Path, uid: int, **cells: str) -> Path:
    """Make a copy in which some cells of one report are changed."""
    release = copy_release(indiana_release, tmp_path / "release")

    def edit(table: pd.DataFrame) -> None:
        for column, cell in cells.items():
            table.loc[table.uid == str(uid), column] = cell

    edit_table(release / REPORTS, edit)
    return release


def first_uid(release: Path) -> int:
    return int(read_table(release / PROJECTIONS).uid[0])


# All columns.


def test_images_have_every_column_as_the_tables_say(indiana_release: Path, cache: str) -> None:
    studies = studies_of(indiana_release)
    expected = [
        {**image, **studies[image["uid"]]} for image in images_of(indiana_release)
    ]  # fmt: skip
    for row in expected:
        del row["uid"]
    assert rows_of(load(indiana_release, cache)) == expected


def test_studies_have_every_column_as_the_tables_say(indiana_release: Path, cache: str) -> None:
    expected = {}
    for image in sorted(images_of(indiana_release), key=lambda image: image["view"]):
        study = expected.setdefault(image["uid"], [])
        study.append(image)
    lists = {"images": "image", "image_ids": "image_id", "views": "view", "paths": "path"}
    studies = studies_of(indiana_release)
    order = dict.fromkeys(image["uid"] for image in images_of(indiana_release))
    assert rows_of(load(indiana_release, cache, "studies")) == [
        {
            **{many: [image[one] for image in expected[uid]] for many, one in lists.items()},
            **studies[uid],
        }
        for uid in order
    ]


def test_reports_have_every_column_as_the_tables_say(indiana_release: Path, cache: str) -> None:
    studies = studies_of(indiana_release)
    order = dict.fromkeys(image["uid"] for image in images_of(indiana_release))
    assert rows_of(load(indiana_release, cache, "reports")) == [studies[uid] for uid in order]


@pytest.mark.parametrize(
    ("config", "columns"),
    [
        ("images", "image image_id study_id subject_id view report {} labels {} path"),
        ("studies", "images image_ids study_id subject_id views report {} labels {} paths"),
        ("reports", "study_id subject_id report {} labels {}"),
    ],
)
def test_columns_stand_in_their_documented_order(
    indiana_release: Path, cache: str, config: str, columns: str
) -> None:
    found = load(indiana_release, cache, config).column_names
    assert (
        found == columns.format(" ".join(SECTIONS), "labels_text mesh problems procedure").split()
    )


# Texts.


def test_the_word_none_in_a_cell_is_text_and_not_null(indiana_release: Path, cache: str) -> None:
    comparisons = load(indiana_release, cache, "reports")["comparison"]
    assert {"None", "None.", None} <= set(comparisons)


@pytest.mark.parametrize("text", ["None", "NA", "nan", "null", "N/A", "0", "#N/A", " ", "NULL"])
def test_only_an_empty_cell_is_null(
    indiana_release: Path, tmp_path: Path, cache: str, text: str
) -> None:
    uid = first_uid(indiana_release)
    release = edited(indiana_release, tmp_path, uid, findings=text, impression="")
    row = rows_of(load(release, cache, "reports"))[0]
    assert row["study_id"] == uid
    assert (row["findings"], row["impression"]) == (text, None)


@pytest.mark.parametrize(
    "text",
    [
        "A &lt; B &amp; C",
        "one<BR>two",
        "  blanks before and after  ",
        'said "so", and more',
        "first line\nsecond line",
        "XXXX XXXX",
        "5 \N{DEGREE SIGN}, caf\N{LATIN SMALL LETTER E WITH ACUTE}",
    ],
)
def test_texts_are_verbatim(indiana_release: Path, tmp_path: Path, cache: str, text: str) -> None:
    uid = first_uid(indiana_release)
    release = edited(indiana_release, tmp_path, uid, findings=text, image=text)
    row = rows_of(load(release, cache, "reports"))[0]
    assert (row["findings"], row["procedure"]) == (text, text)
    assert f"FINDINGS:\n{text}\n\nIMPRESSION:\n" in row["report"]


def test_a_report_has_only_the_headers_of_the_sections_that_exist(
    indiana_release: Path, tmp_path: Path, cache: str
) -> None:
    uid = first_uid(indiana_release)
    texts = {"indication": "", "comparison": "None", "findings": "", "impression": "Clear."}
    row = rows_of(load(edited(indiana_release, tmp_path, uid, **texts), cache, "reports"))[0]
    assert row["report"] == "COMPARISON:\nNone\n\nIMPRESSION:\nClear."


def test_a_study_with_no_section_at_all_keeps_its_row_and_has_a_null_report(
    indiana_release: Path, tmp_path: Path, cache: str
) -> None:
    uid = first_uid(indiana_release)
    release = edited(indiana_release, tmp_path, uid, **dict.fromkeys(SECTIONS, ""))
    rows = rows_of(load(release, cache, "reports"))
    assert [rows[0][name] for name in ("report", *SECTIONS)] == [None] * 5
    assert rows[0]["study_id"] == uid
    assert len(rows) == len(studies_of(release))


# Labels.


def test_no_indexing_leaves_all_labels_null(
    indiana_release: Path, tmp_path: Path, cache: str
) -> None:
    release = edited(indiana_release, tmp_path, first_uid(indiana_release), MeSH="No Indexing")
    assert rows_of(load(release, cache, "reports"))[0]["labels"] == dict.fromkeys(LABELS)


def test_a_pericardial_effusion_is_no_pleural_effusion(
    indiana_release: Path, tmp_path: Path, cache: str
) -> None:
    uid = first_uid(indiana_release)
    release = edited(indiana_release, tmp_path, uid, MeSH="Pericardial Effusion/small")
    labels = rows_of(load(release, cache, "reports"))[0]["labels"]
    assert {label for label, value in labels.items() if value} == {"No Finding"}


@pytest.mark.parametrize("rules", ["corrected", "transchex"])
def test_labels_follow_from_the_codes_by_the_rules_asked_for(
    indiana_release: Path, cache: str, rules: str
) -> None:
    codes = read_table(indiana_release / REPORTS).set_index("uid").MeSH
    reports = load(indiana_release, cache, "reports", mesh_rules=rules)
    for row in rows_of(reports):
        assert row["labels"] == labels_of(codes[str(row["study_id"])], rules)


@pytest.mark.parametrize("rules", ["", "TransChex", 1, ["corrected"]])
def test_rules_that_do_not_exist_are_refused_with_those_that_do(
    indiana_release: Path, cache: str, rules: Any
) -> None:
    with pytest.raises(OptionError) as refused:
        load(indiana_release, cache, "reports", mesh_rules=rules)
    for word in (f"mesh_rules={rules!r}", "'corrected'", "'transchex'"):
        assert word in str(refused.value)
    assert not Path(cache).exists() or not list(Path(cache).rglob("*.arrow"))


def test_the_command_line_takes_the_rules_too(
    indiana_release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {}
    for rules in ("corrected", "transchex"):
        words = ["--option", f"mesh_rules={rules}", "--json"]
        assert main(["stats", str(indiana_release), *words]) == 0
        labels = json.loads(capsys.readouterr().out)["labels"]
        found[rules] = {
            row["label"]: row["positive"]
            for row in labels
            if (row["split"], row["source"]) == ("train", "labels")
        }
    assert found["corrected"]["Support Devices"] > found["transchex"]["Support Devices"]
    assert found["corrected"]["Lung Opacity"] > found["transchex"]["Lung Opacity"]
    assert found["corrected"]["Edema"] == found["transchex"]["Edema"]


def test_every_label_is_positive_in_some_study_and_negative_in_another(
    indiana_release: Path, cache: str
) -> None:
    labels = load(indiana_release, cache, "reports")["labels"]
    for label in LABELS:
        assert {study[label] for study in labels} == {0, 1, None}


# Views and rows.


def test_a_view_is_the_projection_of_the_table(indiana_release: Path, cache: str) -> None:
    images = load(indiana_release, cache)
    named = [images.features["view"].int2str(view) for view in images["view"]]
    assert named == [name.lower() for name in read_table(indiana_release / PROJECTIONS).projection]


def test_a_study_has_its_frontal_images_first_and_else_the_order_of_the_table(
    indiana_release: Path, tmp_path: Path, cache: str
) -> None:
    release = copy_release(indiana_release, tmp_path / "release")
    edit_table(release / PROJECTIONS, lambda table: table.iloc[::-1])
    table = read_table(release / PROJECTIONS)
    for row in rows_of(load(release, cache, "studies")):
        images = table[table.uid == str(row["study_id"])]
        frontal = list(images.filename[images.projection == "Frontal"])
        lateral = list(images.filename[images.projection == "Lateral"])
        assert [Path(path).name for path in row["paths"]] == frontal + lateral
        assert row["views"] == [0] * len(frontal) + [1] * len(lateral)


def test_rows_follow_the_table_of_images_whatever_the_order_of_the_reports(
    indiana_release: Path, tmp_path: Path, cache: str
) -> None:
    expected = rows_of(load(indiana_release, cache, "reports"))
    release = copy_release(indiana_release, tmp_path / "release")
    edit_table(release / REPORTS, lambda table: table.sample(frac=1, random_state=1))
    assert rows_of(load(release, cache, "reports")) == expected
    edit_table(release / PROJECTIONS, lambda table: table.sample(frac=1, random_state=2))
    shuffled = [int(uid) for uid in dict.fromkeys(read_table(release / PROJECTIONS).uid)]
    assert load(release, cache, "reports")["study_id"][:] == shuffled


def test_columns_are_found_by_name_wherever_they_stand(
    indiana_release: Path, tmp_path: Path, cache: str
) -> None:
    expected = rows_of(load(indiana_release, cache, "reports"))
    release = copy_release(indiana_release, tmp_path / "release")
    for name in (PROJECTIONS, REPORTS):
        edit_table(release / name, lambda table: table[table.columns[::-1]].assign(more="1"))
    assert rows_of(load(release, cache, "reports")) == expected


@pytest.mark.parametrize("config", ["images", "studies"])
@pytest.mark.parametrize("streaming", [False, True])
def test_files_that_the_table_does_not_list_never_appear(
    indiana_release: Path, cache: str, config: str, streaming: bool
) -> None:
    on_disk = {file.name for file in (indiana_release / FOLDER).iterdir()}
    listed = set(read_table(indiana_release / PROJECTIONS).filename)
    assert len(on_disk - listed) == 4
    rows = list(load(indiana_release, cache, config, streaming=streaming))
    paths = [path for row in rows for path in row.get("paths") or [row["path"]]]
    assert {Path(path).name for path in paths} == listed
    assert len(paths) == len(listed)


@pytest.mark.parametrize("config", ["images", "studies", "reports"])
def test_split_by_hash_puts_every_study_where_its_uid_says(
    indiana_release: Path, cache: str, config: str
) -> None:
    options = {"data_dir": str(indiana_release), "cache_dir": cache, "split_by": "hash"}
    splits = load_dataset("indiana_cxr", config, **options)
    assert list(splits) == ["train", "validation", "test"]
    whole = load(indiana_release, cache, config)
    assert sum(map(len, splits.values())) == whole.num_rows
    for name, split in splits.items():
        assert rows_of(split) == [
            row for row in rows_of(whole) if hashed_split(row["study_id"]) == name
        ]


def hashed_split(uid: int) -> str:
    digest = hashlib.sha256(f"indiana-cxr:{uid}".encode()).hexdigest()
    share = int(digest[:16], 16) / 16**16
    return "train" if share < 0.7 else "validation" if share < 0.8 else "test"


def test_config_reports_needs_no_image(indiana_release: Path, tmp_path: Path, cache: str) -> None:
    expected = rows_of(load(indiana_release, cache, "reports"))
    for name in (PROJECTIONS, REPORTS):
        (tmp_path / "tables").mkdir(exist_ok=True)
        shutil.copy(indiana_release / name, tmp_path / "tables")
    assert rows_of(load(tmp_path / "tables", cache, "reports")) == expected
