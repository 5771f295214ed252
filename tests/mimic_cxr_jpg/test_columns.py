"""Every column of MIMIC-CXR-JPG holds what a plain reading of the release gives."""

from __future__ import annotations

import gzip
from pathlib import Path

import datasets
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from cxr_datasets.testing import copy_release, edit_table, load_rows, read_table, rewrite, stored
from cxr_datasets.testing.expected import LABELS
from mimic_cxr_jpg.reports import REPORT_SECTIONS
from mimic_cxr_jpg.synthetic import write_release
from tests.mimic_cxr_jpg.expected import OF_STUDY, Row, expected_images, expected_studies, find


@pytest.fixture(scope="module")
def expected(mimic_release: Path) -> list[Row]:
    return expected_images(mimic_release)


@pytest.fixture(scope="module")
def images(mimic_release: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    return load_rows("mimic_cxr_jpg", mimic_release, str(tmp_path_factory.mktemp("cache")))


COLUMNS = (
    *("image_id", "study_id", "subject_id", "view", "report", "labels", "view_position"),
    *("labels_negbio", "labels_radiologist", "procedure", "view_code", "orientation"),
    *("height", "width", "study_date", "study_time", "path", "split", *REPORT_SECTIONS),
)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_holds_what_the_release_says(
    column: str, images: list[Row], expected: list[Row]
) -> None:
    found = [row[column] for row in images]
    assert found == [row[column] for row in expected]
    if column != "comment":  # no invented report has one; reports/test_texts.py writes one
        assert len({repr(value) for value in found}) > 1  # a constant column would prove nothing


def test_there_is_no_column_beyond_these(images: list[Row], expected: list[Row]) -> None:
    assert set(images[0]) == set(COLUMNS) == set(expected[0])


def test_own_columns_follow_the_core_in_the_order_and_types_of_the_design(
    mimic_release: Path, cache: str
) -> None:
    splits = datasets.load_dataset("mimic_cxr_jpg", data_dir=str(mimic_release), cache_dir=cache)
    own = splits["train"].features.arrow_schema
    names = [name for name in own.names if name not in ("image",)]
    assert names[9:] == [
        *("labels", "view_position", "labels_negbio", "labels_radiologist", "procedure"),
        *("view_code", "orientation", "height", "width", "study_date", "study_time"),
        *(name for name in REPORT_SECTIONS if name not in names[:9]),
        "path",
    ]
    assert own.field("study_date").type == pa.string()
    assert own.field("study_time").type == pa.string()
    assert own.field("height").type == own.field("width").type == pa.int32()
    for name in ("labels", "labels_negbio", "labels_radiologist"):
        assert own.field(name).type == pa.struct(dict.fromkeys(LABELS, pa.int8()))


@pytest.mark.parametrize("config", ["studies", "reports"])
def test_studies_hold_what_their_images_say(
    config: str, expected: list[Row], mimic_release: Path, cache: str
) -> None:
    found = load_rows("mimic_cxr_jpg", mimic_release, cache, config)
    studies = expected_studies(expected)
    if config == "reports":
        studies = [{name: row[name] for name in OF_STUDY} for row in studies]
    assert found == studies


def test_releases_200_and_210_unpacked_or_not_hold_what_they_say(
    tmp_path: Path, cache: str
) -> None:
    for number, (release, tables) in enumerate(
        [("2.0.0", "csv"), ("2.0.0", "csv.gz"), ("2.1.0", "csv")]
    ):
        root = write_release(
            tmp_path / str(number), patients=10, seed=number, release=release, tables=tables
        )
        rows = load_rows("mimic_cxr_jpg", root, cache)
        assert rows == expected_images(root)
        has_radiologist = any(row["labels_radiologist"] for row in rows)
        assert has_radiologist == (release == "2.1.0")


def test_every_path_is_a_file_of_the_stated_height_and_width(
    images: list[Row], mimic_release: Path
) -> None:
    for row in images:
        with Image.open(mimic_release / row["path"]) as image:
            assert image.size == (row["width"], row["height"])


@pytest.fixture(scope="module")
def smaller(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the images of `small_release`, made smaller and under the same names."""
    folder = tmp_path_factory.mktemp("smaller")
    for path in (small_release / "IMAGE_FILENAMES").read_text().split():
        target = folder / path.removeprefix("files/")
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(small_release / path) as image:
            image.resize((20, 30)).save(target)
    return folder


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("option", ["image_size", "images"])
def test_height_and_width_are_those_of_the_releases_file_where_the_image_is_smaller(
    option: str, streaming: bool, small_release: Path, smaller: Path, cache: str
) -> None:
    options = {"image_size": 20} if option == "image_size" else {"images": str(smaller)}
    load = {"data_dir": str(small_release), "cache_dir": cache, "streaming": streaming, **options}
    rows = datasets.load_dataset("mimic_cxr_jpg", split="train", **load)
    studies = datasets.load_dataset("mimic_cxr_jpg", "studies", split="train", **load)
    sizes = {}
    for row in rows:
        assert min(row["image"].size) == 20
        with Image.open(small_release / row["path"]) as image:
            assert image.size == (row["width"], row["height"])
        sizes[row["path"]] = row["width"], row["height"]
    for row in studies:
        assert list(zip(row["widths"], row["heights"], strict=True)) == [
            sizes[path] for path in row["paths"]
        ]


# --- labels ---------------------------------------------------------------------------------------


def test_unlabelled_studies_keep_their_images_with_null_labels(
    images: list[Row], mimic_release: Path
) -> None:
    labelled = set(read_table(find(mimic_release, "chexpert")).study_id)
    unlabelled = [row for row in images if str(row["study_id"]) not in labelled]
    assert len(unlabelled) > 0
    assert all(row["labels"] is None and row["labels_negbio"] is None for row in unlabelled)


def test_a_blank_chexpert_row_is_a_struct_of_nulls_and_not_a_null_struct(
    images: list[Row], mimic_release: Path
) -> None:
    table = read_table(find(mimic_release, "chexpert"))
    blank = set(table.study_id[(table[list(LABELS)] == "").all(axis=1)].astype(int))
    rows = [row for row in images if row["study_id"] in blank]
    assert len(rows) > 0
    assert all(row["labels"] == dict.fromkeys(LABELS) for row in rows)


@pytest.mark.parametrize("streaming", [False, True])
def test_null_labels_are_none_to_the_user_and_blank_ones_a_dict_of_none(
    streaming: bool, mimic_release: Path, cache: str, images: list[Row]
) -> None:
    train = datasets.load_dataset(
        "mimic_cxr_jpg",
        data_dir=str(mimic_release),
        cache_dir=cache,
        split="train",
        streaming=streaming,
    )
    found = [row["labels"] for row in train.select_columns(["labels"])]
    assert found == [row["labels"] for row in images if row["split"] == "train"]
    assert None in found
    assert dict.fromkeys(LABELS) in found


def test_airspace_opacity_of_the_radiologist_becomes_lung_opacity(
    images: list[Row], mimic_release: Path
) -> None:
    table = read_table(find(mimic_release, "test-set-labeled"))
    assert "Lung Opacity" not in table
    opacity = dict(zip(table.study_id.astype(int), table["Airspace Opacity"], strict=True))
    rows = [row for row in images if row["study_id"] in opacity]
    assert {row["split"] for row in rows} == {"test"}
    for row in rows:
        cell = opacity[row["study_id"]]
        assert row["labels_radiologist"]["Lung Opacity"] == (int(float(cell)) if cell else None)
    assert {row["labels_radiologist"]["Lung Opacity"] for row in rows} > {None}


def test_all_four_label_values_come_through(images: list[Row]) -> None:
    for column in ("labels", "labels_negbio"):
        values = {value for row in images if row[column] for value in row[column].values()}
        assert values == {1, 0, -1, None}


# --- dates and times ------------------------------------------------------------------------------

TIMES = {
    "0.0": "00:00:00.000",
    "0.001": "00:00:00.001",
    "1.0": "00:00:01.000",
    "59.999": "00:00:59.999",
    "100.0": "00:01:00.000",
    "556.875": "00:05:56.875",
    "80556.875": "08:05:56.875",
    "80556.87500000001": "08:05:56.875",
    "80556.874999999985": "08:05:56.875",
    "213014.53100000002": "21:30:14.531",
    "213014.53099999996": "21:30:14.531",
    "095959": "09:59:59.000",
    "235959.999": "23:59:59.999",
    "": None,
}
DAYS = {
    "21000101": "2100-01-01",
    "21040229": "2104-02-29",
    "21991231": "2199-12-31",
    "22001231": "2200-12-31",
    "": None,
}


def test_study_times_are_exact_whatever_zeros_were_lost_or_noise_was_added(
    mimic_release: Path, tmp_path: Path, cache: str
) -> None:
    root = copy_release(mimic_release, tmp_path / "copy")
    given: dict[str, str] = {}

    def set_times(table: pd.DataFrame) -> None:
        texts = list(TIMES)
        table["StudyTime"] = [texts[row % len(texts)] for row in range(len(table))]
        given.update(zip(table.dicom_id, table.StudyTime, strict=True))

    edit_table(find(root, "metadata"), set_times)
    for row in load_rows("mimic_cxr_jpg", root, cache):
        assert row["study_time"] == TIMES[given[row["image_id"]]]


def test_study_dates_are_days_of_the_calendar(
    mimic_release: Path, tmp_path: Path, cache: str
) -> None:
    root = copy_release(mimic_release, tmp_path / "copy")
    given: dict[str, str] = {}

    def set_days(table: pd.DataFrame) -> None:
        texts = list(DAYS)
        table["StudyDate"] = [texts[row % len(texts)] for row in range(len(table))]
        given.update(zip(table.dicom_id, table.StudyDate, strict=True))

    edit_table(find(root, "metadata"), set_days)
    for row in load_rows("mimic_cxr_jpg", root, cache):
        assert row["study_date"] == DAYS[given[row["image_id"]]]


def test_a_study_of_several_times_has_that_of_its_best_view_and_one_line_counts_such_studies(
    mimic_release: Path, tmp_path: Path, cache: str, caplog: pytest.LogCaptureFixture
) -> None:
    root = copy_release(mimic_release, tmp_path / "copy")
    given: dict[str, str] = {}

    def set_times(table: pd.DataFrame) -> None:
        several = table.study_id[table.study_id.duplicated()].unique()
        table["StudyTime"] = "80556.875"
        for study, column in zip(several[:4], ("StudyTime", "StudyDate") * 2, strict=True):
            rows = table.index[table.study_id == study]
            days = [f"2101010{number}" for number in range(1, len(rows) + 1)]
            times = [f"10101{number}.5" for number in range(1, len(rows) + 1)]
            table.loc[rows, column] = times if column == "StudyTime" else days
        blank, noisy = several[4], several[5]
        table.loc[table.index[table.study_id == blank][0], "StudyTime"] = ""
        table.loc[table.index[table.study_id == noisy][0], "StudyTime"] = "80556.87500000001"
        given.update(zip(table.dicom_id, table.StudyTime + " " + table.StudyDate, strict=True))

    edit_table(find(root, "metadata"), set_times)
    images = load_rows("mimic_cxr_jpg", root, cache)
    lines = [record.getMessage() for record in caplog.records if record.name.endswith(".join")]
    studies = load_rows("mimic_cxr_jpg", root, cache, "studies")
    (line,) = lines
    assert line.startswith(
        f"5 of {len(studies)} studies in {find(root, 'metadata')} have images of"
    )
    own = {row["image_id"]: (row["study_time"], row["study_date"]) for row in images}
    for image, (time, _) in own.items():
        assert (time is None) == given[image].startswith(" ")
    assert len({own[image] for row in studies for image in row["image_ids"]}) > 8
    reports = load_rows("mimic_cxr_jpg", root, cache, "reports")
    for of_study, report in zip(studies, reports, strict=True):
        best = own[of_study["image_ids"][0]]
        assert (of_study["study_time"], of_study["study_date"]) == best
        assert (report["study_time"], report["study_date"]) == best


# --- the form of the tables -----------------------------------------------------------------------


def test_columns_are_read_by_name_wherever_they_stand(
    mimic_release: Path, tmp_path: Path, cache: str, images: list[Row]
) -> None:
    root = copy_release(mimic_release, tmp_path / "copy")
    for file in root.glob("*.csv*"):
        edit_table(file, lambda table: table[sorted(table.columns, reverse=True)].assign(more="x"))
    assert load_rows("mimic_cxr_jpg", root, cache) == images


def test_tables_are_joined_by_key_whatever_the_order_of_their_rows(
    mimic_release: Path, tmp_path: Path, cache: str, images: list[Row]
) -> None:
    root = copy_release(mimic_release, tmp_path / "copy")
    for table in ("metadata", "chexpert", "negbio", "test-set-labeled"):
        edit_table(find(root, table), lambda table: table.sample(frac=1, random_state=1))
    assert load_rows("mimic_cxr_jpg", root, cache) == images


def test_tables_saved_on_windows_are_read_alike(
    mimic_release: Path, tmp_path: Path, cache: str, images: list[Row]
) -> None:
    root = copy_release(mimic_release, tmp_path / "copy")
    for file in root.glob("*.csv.gz"):
        text = gzip.decompress(file.read_bytes()).replace(b"\n", b"\r\n")
        rewrite(file, gzip.compress(b"\xef\xbb\xbf" + text))
    assert load_rows("mimic_cxr_jpg", root, cache) == images


def test_text_cells_are_verbatim_even_those_that_look_like_missing_ones(
    mimic_release: Path, tmp_path: Path, cache: str
) -> None:
    texts = ["", "None", "NA", "nan", "NULL", 'a "quoted", text', "two\nlines", " ", "Ü"]
    root = copy_release(mimic_release, tmp_path / "copy")
    given: dict[str, str] = {}

    def set_texts(table: pd.DataFrame) -> None:
        procedures = [texts[row % len(texts)] for row in range(len(table))]
        table["PerformedProcedureStepDescription"] = procedures
        given.update(zip(table.dicom_id, procedures, strict=True))

    edit_table(find(root, "metadata"), set_texts)
    for row in load_rows("mimic_cxr_jpg", root, cache):
        assert row["procedure"] == (given[row["image_id"]] or None)


def test_an_image_without_any_value_in_the_metadata_keeps_its_row(
    mimic_release: Path, tmp_path: Path, cache: str, images: list[Row]
) -> None:
    blank = images[0]["image_id"]
    root = copy_release(mimic_release, tmp_path / "copy")

    def clear(table: pd.DataFrame) -> None:
        table.loc[table.dicom_id == blank, table.columns[3:]] = ""

    edit_table(find(root, "metadata"), clear)
    (row,) = [r for r in load_rows("mimic_cxr_jpg", root, cache) if r["image_id"] == blank]
    changed = ("view_position", "procedure", "view_code", "orientation", "height", "width")
    changed += ("study_date", "study_time")
    assert row == {**images[0], **dict.fromkeys(changed), "view": 3}


def test_loading_changes_nothing_in_the_release(mimic_release: Path, cache: str) -> None:
    def state() -> list[tuple[str, int, int]]:
        return [
            (str(file), file.stat().st_size, file.stat().st_mtime_ns)
            for file in sorted(mimic_release.rglob("*"))
        ]

    before = state()
    for config in ("images", "studies", "reports"):
        load_rows("mimic_cxr_jpg", mimic_release, cache, config)
    assert state() == before


def test_decoded_images_hold_path_and_no_bytes_in_arrow(mimic_release: Path, cache: str) -> None:
    splits = datasets.load_dataset("mimic_cxr_jpg", data_dir=str(mimic_release), cache_dir=cache)
    for split in splits.values():
        for image, path in zip(
            stored(split)["image"].to_pylist(), stored(split)["path"].to_pylist(), strict=True
        ):
            assert image == {"bytes": None, "path": str(mimic_release / path)}
