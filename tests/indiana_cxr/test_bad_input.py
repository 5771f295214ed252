"""What is wrong with a copy is said before anything is built: file, column or id, next step."""

from __future__ import annotations

import re
import shutil
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from datasets import load_dataset

import indiana_cxr
from cxr_datasets.errors import CxrError, OptionError, ReleaseError, TableError
from cxr_datasets.testing import copy_release, datasets_under, edit_table, read_table, rewrite
from indiana_cxr import IndianaCxr

Edit = Callable[[pd.DataFrame], "pd.DataFrame | None"]

PROJECTIONS, REPORTS = "indiana_projections.csv", "indiana_reports.csv"
SECRET = "a sentence that only the report has"


@pytest.fixture
def release(indiana_release: Path, tmp_path: Path) -> Path:
    return copy_release(indiana_release, tmp_path / "release")


def load(data_dir: Path | None, cache: str, config: str = "images", **options: Any) -> Any:
    if data_dir is not None:
        options["data_dir"] = str(data_dir)
    return load_dataset("indiana_cxr", config, cache_dir=cache, **options)


def refused(
    data_dir: Path | None, cache: str, kind: type[CxrError], *mentions: str, **options: Any
) -> str:
    """Check that loading fails with an error that mentions some things, and leaves no dataset.

    Returns:
        All that a reader sees of the error, the traceback included.
    """
    for streaming in (False, True):
        with pytest.raises(kind) as caught:
            load(data_dir, cache, streaming=streaming, **options)
        assert type(caught.value) is kind
        for mention in mentions:
            assert mention in str(caught.value)
        assert "  " not in str(caught.value)
        assert datasets_under(cache) == []
    return "".join(traceback.format_exception(caught.value))


def set_cell(column: str, value: str, row: int = 5) -> Edit:
    def edit(table: pd.DataFrame) -> None:
        table.loc[row, column] = value

    return edit


# data_dir.


def test_without_data_dir_the_error_asks_for_it_and_says_where_the_data_are(cache: str) -> None:
    refused(None, cache, ReleaseError, "data_dir=", "kaggle.com")


def test_a_data_dir_that_does_not_exist_is_named(tmp_path: Path, cache: str) -> None:
    place = tmp_path / "nowhere"
    refused(place, cache, ReleaseError, f"data_dir={place} does not exist", "kaggle.com")


def test_an_empty_data_dir_is_named(tmp_path: Path, cache: str) -> None:
    place = tmp_path / "empty"
    place.mkdir()
    refused(place, cache, ReleaseError, f"data_dir={place} is empty", "kaggle.com")


def test_a_file_given_as_data_dir_is_named(indiana_release: Path, cache: str) -> None:
    place = indiana_release / REPORTS
    refused(place, cache, ReleaseError, f"data_dir={place} is a file", "folder")


def test_the_wrong_dataset_is_refused_with_what_is_there(mimic_release: Path, cache: str) -> None:
    refused(
        mimic_release, cache, ReleaseError,
        str(mimic_release), PROJECTIONS, "LICENSE.txt", "Pass the",
    )  # fmt: skip


def test_the_folder_of_images_is_refused(indiana_release: Path, cache: str) -> None:
    place = indiana_release / "images"
    refused(place, cache, ReleaseError, PROJECTIONS, "images_normalized", "holds the tables")


@pytest.mark.parametrize("folder", ["images", "images/images_normalized"])
def test_a_folder_within_the_release_names_the_one_that_holds_the_tables(
    indiana_release: Path, cache: str, folder: str
) -> None:
    told = f"The folder above it, {indiana_release}, holds the tables: pass that."
    refused(indiana_release / folder, cache, ReleaseError, told)


@pytest.mark.parametrize("up", [1, 2, 3, 4, 5, 6])
def test_a_folder_of_kagglehub_names_the_one_that_holds_the_tables(
    indiana_release: Path, tmp_path: Path, cache: str, up: int
) -> None:
    place = "home/kagglehub/datasets/raddar/chest-xrays-indiana-university/versions/2"
    root = copy_release(indiana_release, tmp_path / place)
    refused(root.parents[up - 1], cache, ReleaseError, f"The tables are in {root}: pass that.")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["ecgen-radiology/1.xml", "NLMCXR_png.tgz"], "NLMCXR, that of Open-i"),
        (["CXR1_1_IM-0001-3001.png", "CXR2_IM-0652-1001.png"], "NLMCXR, that of Open-i"),
        (["NLMCXR_png/CXR2_IM-0652-1001.png"], "NLMCXR, that of Open-i"),
        (["annotation.json", "images/CXR2_IM-0652/0.png"], "iu_xray, the folder that R2Gen made"),
        (["CXR2_IM-0652/0.png", "CXR1_1_IM-0001/1.png"], "iu_xray, the folder that R2Gen made"),
        (["iu_xray/annotation.json"], "iu_xray, the folder that R2Gen made"),
    ],
)
def test_other_releases_of_the_collection_are_named(
    names: list[str], told: str, tmp_path: Path, cache: str
) -> None:
    for name in names:
        rewrite(tmp_path / "release" / name, b"x")
    refused(
        tmp_path / "release", cache, ReleaseError,
        "another release of the collection", told, "raddar/chest-xrays-indiana-university",
    )  # fmt: skip


def test_a_file_that_is_no_zip_is_refused(tmp_path: Path, cache: str) -> None:
    place = tmp_path / "archive.zip"
    for content in (b"", b"<html>please log in</html>", b"PK\x03\x04" + bytes(500)):
        place.write_bytes(content)
        refused(place, cache, ReleaseError, f"data_dir={place} is no zip archive", "fetch it again")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_zip_that_was_cut_short_is_refused(
    indiana_release: Path, tmp_path: Path, cache: str, share: float
) -> None:
    whole = Path(shutil.make_archive(str(tmp_path / "whole"), "zip", indiana_release))
    place = tmp_path / "archive.zip"
    place.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
    refused(place, cache, ReleaseError, str(place), "fetch it again")


def test_a_zip_of_something_else_is_refused(tmp_path: Path, cache: str) -> None:
    place = tmp_path / "archive.zip"
    with zipfile.ZipFile(place, "w") as file:
        file.writestr("notes.txt", "nothing of interest")
    refused(place, cache, ReleaseError, str(place), PROJECTIONS, "notes.txt")


# The tables as files.


def test_without_the_table_of_images_it_is_no_copy_of_this_dataset(
    release: Path, cache: str
) -> None:
    (release / PROJECTIONS).unlink()
    refused(release, cache, ReleaseError, str(release), PROJECTIONS)


def test_a_missing_table_of_reports_is_named(release: Path, cache: str) -> None:
    (release / REPORTS).unlink()
    refused(release, cache, TableError, str(release / REPORTS), "kaggle.com")


@pytest.mark.parametrize("table", [PROJECTIONS, REPORTS])
def test_an_empty_table_is_named(release: Path, cache: str, table: str) -> None:
    rewrite(release / table, b"")
    refused(release, cache, TableError, f"{release / table} is empty", "fetch it again")


@pytest.mark.parametrize("table", [PROJECTIONS, REPORTS])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_table_of_only_a_header_is_named(
    release: Path, cache: str, table: str, end: bytes
) -> None:
    rewrite(release / table, (release / table).read_bytes().split(b"\n")[0] + end)
    refused(release, cache, TableError, str(release / table), "fetch it again")


@pytest.mark.parametrize("table", [PROJECTIONS, REPORTS])
@pytest.mark.parametrize("cut", range(1, 12))
def test_a_truncated_table_is_an_error(release: Path, cache: str, table: str, cut: int) -> None:
    content = (release / table).read_bytes()
    rewrite(release / table, content[: len(content) * cut // 12])
    refused(release, cache, TableError, str(release / table), "fetch")


@pytest.mark.parametrize("table", [PROJECTIONS, REPORTS])
def test_a_table_that_is_no_text_is_an_error(release: Path, cache: str, table: str) -> None:
    rewrite(release / table, bytes(range(256)) * 40)
    refused(release, cache, TableError, str(release / table), "release's own file")


@pytest.mark.parametrize(
    ("table", "column"),
    [
        *((PROJECTIONS, column) for column in ("uid", "filename", "projection")),
        *((REPORTS, column) for column in ("uid", "MeSH", "Problems", "image", "findings")),
    ],
)
def test_a_missing_column_is_named_with_those_that_are_there(
    release: Path, cache: str, table: str, column: str
) -> None:
    edit_table(release / table, lambda rows: rows.rename(columns={column: f"old {column}"}))
    refused(
        release, cache, TableError, str(release / table), f"no column '{column}'", " more. Use"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("table", "column"),
    [
        *((PROJECTIONS, column) for column in ("uid", "filename", "projection")),
        *((REPORTS, column) for column in ("uid", "MeSH", "findings", "impression")),
    ],
)
def test_a_column_that_stands_twice_is_an_error_that_names_it(
    release: Path, cache: str, table: str, column: str
) -> None:
    edit_table(release / table, lambda rows: pd.concat([rows, rows[[column]]], axis=1))
    refused(
        release, cache, TableError, str(release / table), f"column '{column}' more than once"
    )  # fmt: skip


def test_a_table_without_its_header_is_an_error(release: Path, cache: str) -> None:
    for table in (PROJECTIONS, REPORTS):
        content = (release / table).read_bytes()
        rewrite(release / table, content.split(b"\n", 1)[1])
        refused(release, cache, TableError, str(release / table), "header")
        rewrite(release / table, content)


# Cells.


def test_an_image_listed_twice_is_an_error_that_names_its_rows(release: Path, cache: str) -> None:
    edit_table(release / PROJECTIONS, lambda rows: pd.concat([rows, rows.iloc[[7]]]))
    refused(release, cache, TableError, PROJECTIONS, "'filename'", "(2 rows, such as 8 and ")


def test_a_uid_with_two_reports_is_an_error_that_names_it(release: Path, cache: str) -> None:
    edit_table(release / REPORTS, lambda rows: pd.concat([rows, rows.iloc[[7]]]))
    twice = read_table(release / REPORTS).uid[7]
    refused(release, cache, TableError, REPORTS, "'uid'", twice)


@pytest.mark.parametrize("value", ["Oblique", "frontal", "PA", " Frontal"])
def test_a_projection_out_of_range_is_an_error_that_names_its_row(
    release: Path, cache: str, value: str
) -> None:
    edit_table(release / PROJECTIONS, set_cell("projection", value))
    refused(
        release, cache, TableError, PROJECTIONS, "'projection'",
        f"a text of {len(value)} characters in row 6", "'Frontal', 'Lateral'",
    )  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "7_IM-0001-1001.png",
        "7_IM-0001-1001.dcm.png/../../../x.dcm.png",
        "x/7_IM-0001-1001.dcm.png",
        "7_IM-0001-1001.dcm.png\n",
        "7_IM-0001-1001.dcm.png ",
        "7_IM-00011-1001.dcm.png",
        "7_IM-0001-1001.DCM.PNG",
        "7_im-0001-1001.dcm.png",
        "_IM-0001-1001.dcm.png",
        "http://localhost/7_IM-0001-1001.dcm.png",
        "\N{ARABIC-INDIC DIGIT SEVEN}_IM-0001-1001.dcm.png",
    ],
)
def test_a_file_name_of_another_form_is_an_error_and_no_path(
    release: Path, cache: str, name: str
) -> None:
    edit_table(release / PROJECTIONS, set_cell("filename", name))
    error = refused(release, cache, TableError, PROJECTIONS, "'filename'", "row 6", "_IM-")
    assert name not in error


def test_a_file_of_another_uid_is_an_error_that_names_both(release: Path, cache: str) -> None:
    name = read_table(release / PROJECTIONS).filename[5]
    edit_table(release / PROJECTIONS, set_cell("uid", "3998"))
    refused(release, cache, TableError, PROJECTIONS, "row 6", name, "uid 3998")


def test_a_uid_that_is_only_the_beginning_of_the_one_in_the_file_name_is_an_error(
    release: Path, cache: str
) -> None:
    table = read_table(release / PROJECTIONS)
    row = next(row for row, uid in enumerate(table.uid) if len(uid) == 4)
    edit_table(release / PROJECTIONS, set_cell("uid", table.uid[row][:3], row))
    refused(release, cache, TableError, PROJECTIONS, table.filename[row], table.uid[row][:3])


@pytest.mark.parametrize("value", ["x12", "1.5", "99999999999999999999"])
@pytest.mark.parametrize("table", [PROJECTIONS, REPORTS])
def test_a_uid_that_is_no_whole_number_is_an_error_that_shows_it(
    release: Path, cache: str, table: str, value: str
) -> None:
    edit_table(release / table, set_cell("uid", value))
    shown = "a text of 3 characters" if value == "x12" else value
    refused(release, cache, TableError, str(release / table), "'uid'", shown)


@pytest.mark.parametrize("column", ["uid", "filename", "projection"])
def test_an_empty_cell_of_the_table_of_images_is_an_error(
    release: Path, cache: str, column: str
) -> None:
    edit_table(release / PROJECTIONS, set_cell(column, ""))
    refused(release, cache, TableError, PROJECTIONS, f"'{column}'", "row 6")


def test_a_report_without_a_uid_is_an_error(release: Path, cache: str) -> None:
    edit_table(release / REPORTS, set_cell("uid", ""))
    refused(release, cache, TableError, REPORTS, "'uid'", "row 6")


def test_an_image_whose_uid_has_no_report_is_an_error_that_names_it(
    release: Path, cache: str
) -> None:
    edit_table(release / REPORTS, lambda rows: rows.drop(index=3))
    uids, reported = read_table(release / PROJECTIONS).uid, read_table(release / REPORTS).uid
    lost = uids[~uids.isin(reported)]
    refused(
        release, cache, TableError,
        PROJECTIONS, REPORTS, f"{len(lost)} images", f"uid {lost.iloc[0]}",
    )  # fmt: skip


# Options of this dataset.


@pytest.mark.parametrize("value", ["R2Gen", "random", "", 0.7])
def test_an_unknown_way_to_split_lists_the_known_ones(
    indiana_release: Path, cache: str, value: object
) -> None:
    refused(
        indiana_release, cache, OptionError, "split_by", repr(value), "None", "'r2gen'", "'hash'",
        split_by=value,
    )  # fmt: skip


def test_a_split_that_no_study_is_in_is_an_error(release: Path, cache: str) -> None:
    listed = set(pd.read_csv(Path(indiana_cxr.__file__).parent / "r2gen_split.csv").uid)

    def drop_listed(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[~rows.uid.astype(int).isin(listed)]

    edit_table(release / PROJECTIONS, drop_listed)
    assert len(read_table(release / PROJECTIONS)) > 0
    refused(release, cache, OptionError, "split_by=r2gen leaves no image", split_by="r2gen")


# Texts of patients.


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text + f"3999,normal,{SECRET}\n",
        lambda text: text + f'3999,normal,normal,"{SECRET}\n',
        lambda text: text + f"{SECRET},normal,normal,x,a,b,c,d\n",
        lambda text: text + f"secret,normal,normal,x,{SECRET},b,c,d\n",
        lambda text: text + f"3999,normal,normal,{SECRET},b,c,d,e,f,g\n",
        lambda text: text.replace("findings", "finding", 1) + f"{SECRET}\n",
        lambda text: text.replace("uid,", "id,", 1) + f"{SECRET}\n",
        lambda text: f"1,normal,normal,{SECRET},{SECRET},c,d,e\n" + text.split("\n", 1)[1],
        lambda text: f"1,normal,normal,{SECRET},{SECRET},c,d,e\n{SECRET}\n",
        lambda text: f"{SECRET}\n{SECRET}\n",
        lambda text: text + text.split("\n")[1].split(",")[0] + f",normal,normal,x,{SECRET},,,\n",
        lambda text: text.encode().decode("latin-1") + f"3999,normal,normal,x,{SECRET} \xff,,,\n",
    ],
)
def test_no_error_shows_the_text_of_a_report(
    release: Path, cache: str, damage: Callable[[str], str]
) -> None:
    text = (release / REPORTS).read_text()
    rewrite(release / REPORTS, damage(text).encode("latin-1"))
    shown = refused(release, cache, TableError, str(release / REPORTS))
    assert SECRET not in shown
    for words in re.findall(r"\w+ \w+", SECRET):
        assert words not in shown


def test_the_builder_used_directly_raises_the_same(release: Path, cache: str) -> None:
    (release / REPORTS).unlink()
    with pytest.raises(TableError, match=REPORTS):
        IndianaCxr(data_dir=str(release), cache_dir=cache)
    assert datasets_under(cache) == []
