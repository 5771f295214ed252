"""The invented MIMIC-CXR-JPG release must be true to every fact that a loader can stumble over."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import re
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxr_datasets.errors import OptionError
from mimic_cxr_jpg.synthetic import write_release
from mimic_cxr_jpg.synthetic_reports import SHAPES, report_text

VIEWS = {
    *("AP", "PA", "LATERAL", "LL", "PA LLD", "LAO", "RAO", "AP AXIAL", "AP LLD"),
    *("XTABLE LATERAL", "AP RLD", "SWIMMERS", "PA RLD", "LPO", ""),
}


def read(root: Path, table: str) -> pd.DataFrame:
    """Read a table as it stands: every cell is the text of the file."""
    return pd.read_csv(root / table, dtype=str, keep_default_na=False)


def tables(root: Path) -> dict[str, pd.DataFrame]:
    names = ("metadata", "split", "chexpert", "negbio")
    return {name: read(root, f"mimic-cxr-2.0.0-{name}.csv.gz") for name in names}


def report_texts(root: Path) -> dict[str, str]:
    with zipfile.ZipFile(root / "mimic-cxr-reports.zip") as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        return {Path(name).stem[1:]: archive.read(name).decode() for name in names}


def all_files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module", params=[(50, 0), (10, 0), (10, 1), (12, 2), (50, 3)])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    patients, seed = request.param
    out = tmp_path_factory.mktemp("mimic") / "release"
    return write_release(out, patients=patients, seed=seed)


@pytest.fixture(scope="module")
def default_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("mimic") / "release")


def test_root_holds_the_files_of_release_2_1_0(root: Path) -> None:
    assert {path.name for path in root.iterdir()} == {
        *("files", "IMAGE_FILENAMES", "SHA256SUMS.txt", "README", "LICENSE.txt"),
        *(f"mimic-cxr-2.0.0-{t}.csv.gz" for t in ("metadata", "split", "chexpert", "negbio")),
        *("mimic-cxr-2.1.0-test-set-labeled.csv", "mimic-cxr-reports.zip"),
    }


def test_release_2_0_0_lacks_the_list_and_the_radiologists_labels(tmp_path: Path) -> None:
    names = {path.name for path in write_release(tmp_path, patients=3, release="2.0.0").iterdir()}
    assert "SHA256SUMS.txt" in names
    assert not names & {"IMAGE_FILENAMES", "mimic-cxr-2.1.0-test-set-labeled.csv"}


def test_readme_and_licence_say_that_the_release_is_synthetic(root: Path) -> None:
    assert "synthetic" in (root / "README").read_text()
    assert "synthetic" in (root / "LICENSE.txt").read_text()


def test_headers_are_those_of_the_release(root: Path) -> None:
    found = {name: ",".join(table.columns) for name, table in tables(root).items()}
    labels = (
        "subject_id,study_id,Atelectasis,Cardiomegaly,Consolidation,Edema,"
        "Enlarged Cardiomediastinum,Fracture,Lung Lesion,Lung Opacity,No Finding,Pleural Effusion,"
        "Pleural Other,Pneumonia,Pneumothorax,Support Devices"
    )
    assert found == {
        "metadata": "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,"
        "Rows,Columns,StudyDate,StudyTime,ProcedureCodeSequence_CodeMeaning,"
        "ViewCodeSequence_CodeMeaning,PatientOrientationCodeSequence_CodeMeaning",
        "split": "dicom_id,study_id,subject_id,split",
        "chexpert": labels,
        "negbio": labels,
    }


def test_ids_have_their_forms_and_are_unique(root: Path) -> None:
    metadata = tables(root)["metadata"]
    assert metadata.dicom_id.str.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}").all()
    assert metadata.subject_id.str.fullmatch(r"1\d{7}").all()
    assert metadata.study_id.str.fullmatch(r"5\d{7}").all()
    assert metadata.dicom_id.is_unique
    assert metadata.groupby("study_id").subject_id.nunique().max() == 1


def test_tables_cover_the_same_images_in_different_orders(root: Path) -> None:
    metadata, split = tables(root)["metadata"], tables(root)["split"]
    keys = ["dicom_id", "study_id", "subject_id"]
    assert set(map(tuple, metadata[keys].values)) == set(map(tuple, split[keys].values))
    assert list(metadata.dicom_id) != list(split.dicom_id)
    assert list(metadata.dicom_id) != sorted(metadata.dicom_id)
    chexpert, negbio = tables(root)["chexpert"], tables(root)["negbio"]
    assert set(chexpert.study_id) == set(negbio.study_id)
    assert list(chexpert.study_id) != list(negbio.study_id)


def test_ids_do_not_follow_time(root: Path) -> None:
    metadata = tables(root)["metadata"].drop_duplicates("study_id").sort_values("study_id")
    assert not metadata.StudyDate.is_monotonic_increasing


def test_every_view_position_occurs_and_is_blank_together_with_its_code(root: Path) -> None:
    metadata = tables(root)["metadata"]
    assert set(metadata.ViewPosition) == VIEWS
    blank = metadata.ViewPosition == ""
    assert (blank == (metadata.ViewCodeSequence_CodeMeaning == "")).all()


def test_orientation_is_erect_recumbent_or_blank(root: Path) -> None:
    orientation = tables(root)["metadata"].PatientOrientationCodeSequence_CodeMeaning
    assert set(orientation) == {"Erect", "Recumbent", ""}


def test_studies_have_one_to_four_images_in_every_difficult_combination(root: Path) -> None:
    views = tables(root)["metadata"].groupby("study_id").ViewPosition
    assert {1, 2, 3, 4} == set(views.size())
    combinations = {tuple(sorted(group)) for _, group in views}
    assert combinations >= {
        *(("LATERAL", "PA"), ("AP",), ("LATERAL", "LL"), ("",), ("", "")),
        *(("AP", "AP", "LATERAL"), ("", "LATERAL", "PA")),
    }


def test_dates_are_whole_numbers_of_2100_to_2200_and_one_a_study(root: Path) -> None:
    metadata = tables(root)["metadata"]
    dates = pd.to_datetime(metadata.StudyDate, format="%Y%m%d")
    assert dates.dt.year.between(2100, 2200).all()
    assert metadata.groupby("study_id").StudyDate.nunique().max() == 1


def test_times_lost_their_zeros_and_carry_float_noise_but_no_information_is_lost(
    root: Path,
) -> None:
    times = tables(root)["metadata"].StudyTime
    assert times.str.fullmatch(r"\d{1,6}\.\d+").all()
    whole = times.str.partition(".")[0]
    assert (whole.str.len() < 5).any()
    assert (whole.str.len() == 5).any()
    assert (whole.str.len() == 6).any()
    decimals = times.str.partition(".")[2]
    assert (decimals.str.len() > 8).any()
    assert (decimals == "0").any()
    rounded = times.astype(float).map("{:010.3f}".format)
    assert rounded.str.fullmatch(r"([01]\d|2[0-3])[0-5]\d[0-5]\d\.\d{3}").all()
    assert np.allclose(rounded.astype(float), times.astype(float), rtol=0, atol=1e-6)


def test_splits_are_all_there_and_disjoint_by_patient(root: Path) -> None:
    split = tables(root)["split"]
    assert set(split.split) == {"train", "validate", "test"}
    assert split.groupby("subject_id").split.nunique().max() == 1
    assert split.groupby("subject_id").study_id.nunique().max() > 1


def test_three_patients_are_enough_for_three_splits(tmp_path: Path) -> None:
    split = tables(write_release(tmp_path, patients=3))["split"]
    assert set(split.split) == {"train", "validate", "test"}
    assert split.subject_id.nunique() == 3


@pytest.mark.parametrize("table", ["chexpert", "negbio"])
def test_labels_have_the_text_forms_of_the_release(root: Path, table: str) -> None:
    labels = tables(root)[table]
    assert set(np.unique(labels.iloc[:, 2:].values.astype(str))) == {"1.0", "0.0", "-1.0", ""}
    assert set(labels["No Finding"]) == {"1.0", ""}
    assert labels.study_id.is_unique


@pytest.mark.parametrize("table", ["chexpert", "negbio"])
def test_no_finding_stands_with_no_finding_but_support_devices(root: Path, table: str) -> None:
    labels = tables(root)[table].query("`No Finding` == '1.0'")
    others = labels.iloc[:, 2:].drop(columns=["No Finding", "Support Devices"])
    assert set(np.unique(others.values.astype(str))) <= {"0.0", ""}


def test_a_few_train_studies_have_a_label_row_in_neither_table(root: Path) -> None:
    all_tables = tables(root)
    split = all_tables["split"]
    unlabelled = ~split.study_id.isin(all_tables["chexpert"].study_id)
    assert (unlabelled == ~split.study_id.isin(all_tables["negbio"].study_id)).all()
    assert set(split.split[unlabelled]) == {"train"}
    assert 2 <= split.study_id[unlabelled].nunique() <= 3


def test_some_chexpert_rows_are_blank_and_no_negbio_row_is(root: Path) -> None:
    chexpert, negbio = (tables(root)[name].iloc[:, 2:] for name in ("chexpert", "negbio"))
    blank = (chexpert == "").all(axis=1)
    assert 0 < blank.sum() < len(blank) / 4
    assert not (negbio == "").all(axis=1).any()


def test_the_two_labellers_mostly_but_not_always_agree(default_root: Path) -> None:
    chexpert, negbio = (
        tables(default_root)[name].set_index("study_id").sort_index()
        for name in ("chexpert", "negbio")
    )
    same = (chexpert == negbio).all(axis=1)
    assert 0.5 < same.mean() < 1


def test_every_label_takes_every_value_at_the_default_size(default_root: Path) -> None:
    labels = tables(default_root)["chexpert"].iloc[:, 2:].drop(columns="No Finding")
    for name, column in labels.items():
        assert set(column) == {"1.0", "0.0", "-1.0", ""}, name


def test_radiologists_labels_cover_a_part_of_the_test_studies_in_their_own_form(root: Path) -> None:
    raw = (root / "mimic-cxr-2.1.0-test-set-labeled.csv").read_bytes()
    assert raw.startswith(b"study_id,")
    labels = read(root, "mimic-cxr-2.1.0-test-set-labeled.csv")
    chexpert = tables(root)["chexpert"]
    assert len(labels.columns) == 15
    renamed = labels.rename(columns={"Airspace Opacity": "Lung Opacity"}).columns
    assert set(renamed) == set(chexpert.columns) - {"subject_id"}
    assert list(renamed[1:]) != list(chexpert.columns[2:])
    split = tables(root)["split"]
    assert set(labels.study_id) < set(split.study_id[split.split == "test"])
    assert len(labels) > 0
    assert set(np.unique(labels.iloc[:, 1:].values.astype(str))) <= {"1.0", "0.0", "-1.0", ""}


def test_image_tree_list_and_checksums_name_the_same_files(root: Path) -> None:
    metadata = tables(root)["metadata"]
    expected = sorted(
        f"files/p{subject[:2]}/p{subject}/s{study}/{dicom}.jpg"
        for dicom, subject, study in metadata[["dicom_id", "subject_id", "study_id"]].values
    )
    on_disk = sorted(str(path.relative_to(root)) for path in (root / "files").rglob("*.jpg"))
    listed = (root / "IMAGE_FILENAMES").read_bytes()
    assert on_disk == expected
    assert listed.decode() == "".join(f"{path}\n" for path in expected)
    assert {len(line) for line in listed.splitlines(keepends=True)} == {79}
    sums = "".join(
        f"{hashlib.sha256((root / path).read_bytes()).hexdigest()} {path}\n" for path in expected
    )
    assert (root / "SHA256SUMS.txt").read_text() == sums


def test_images_are_grey_jpegs_of_quality_95_and_of_the_size_in_the_table(root: Path) -> None:
    sizes = set()
    quality_95 = io.BytesIO()
    Image.new("L", (8, 8)).save(quality_95, "JPEG", quality=95)
    expected = Image.open(quality_95).quantization
    for row in tables(root)["metadata"].itertuples():
        path = f"files/p{row.subject_id[:2]}/p{row.subject_id}/s{row.study_id}/{row.dicom_id}.jpg"
        with Image.open(root / path) as image:
            assert (image.format, image.mode) == ("JPEG", "L")
            assert image.quantization == expected
            assert image.size == (int(row.Columns), int(row.Rows))
            sizes.add(image.size)
    assert sizes == {(159, 191), (191, 159), (159, 169), (108, 126)}


def test_images_are_histogram_equalised(default_root: Path) -> None:
    path = next((default_root / "files").rglob("*.jpg"))
    pixels = np.asarray(Image.open(path))
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert np.allclose(np.quantile(pixels, [0.25, 0.5, 0.75]), [64, 128, 191], atol=20)


def test_scale_sets_the_size_of_images(tmp_path: Path) -> None:
    root = write_release(tmp_path, patients=3, scale=1 / 32)
    assert set(tables(root)["metadata"].Rows) <= {"96", "80", "85", "63", "95"}


# --- reports --------------------------------------------------------------------------------------


def test_every_study_but_one_or_two_has_one_report(root: Path) -> None:
    studies = set(tables(root)["metadata"].study_id)
    texts = report_texts(root)
    assert set(texts) < studies
    assert len(studies) - len(texts) <= 2


def test_zip_has_reports_at_patient_level_after_their_folders(root: Path) -> None:
    with zipfile.ZipFile(root / "mimic-cxr-reports.zip") as archive:
        names = archive.namelist()
    assert names[0] == "files/"
    assert all(
        re.fullmatch(r"files/(p1\d/(p1\d{7}/(s5\d{7}\.txt)?)?)?", name) and name[7:9] == name[11:13]
        if name.endswith(".txt")
        else name.endswith("/")
        for name in names
    )
    for name in names:
        folder = name.rstrip("/").rpartition("/")[0]
        assert not folder or names.index(f"{folder}/") < names.index(name)


def test_zip_tar_gz_and_tree_hold_the_same_reports(tmp_path: Path) -> None:
    zipped = write_release(tmp_path / "zip", patients=5)
    tarred = write_release(tmp_path / "tar", patients=5, reports="tar.gz")
    tree = write_release(tmp_path / "tree", patients=5, reports="tree")
    with zipfile.ZipFile(zipped / "mimic-cxr-reports.zip") as archive:
        texts = {name: archive.read(name) for name in archive.namelist() if name[-1] != "/"}
    with tarfile.open(tarred / "mimic-cxr-reports.tar.gz") as archive:
        assert texts == {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}
    assert texts == {
        str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("s5*.txt")
    }
    assert not (tree / "mimic-cxr-reports.zip").exists()


def test_reports_none_writes_no_report(tmp_path: Path) -> None:
    root = write_release(tmp_path, patients=3, reports="none")
    assert not list(root.rglob("s5*.txt"))
    assert not list(root.glob("mimic-cxr-reports*"))


def test_reports_have_the_line_forms_of_the_release(root: Path) -> None:
    for text in report_texts(root).values():
        assert "\r" not in text
        assert text.endswith("\n")
        assert "" not in text[:-1].split("\n")  # A blank line holds one space.
        assert "___" in text
        for line in text.splitlines():
            assert line.startswith(" ") or line == "_" * 78 or re.match(r"[A-Z]+:  ", line)


def test_every_quirk_of_a_report_occurs(root: Path) -> None:
    texts = list(report_texts(root).values())
    header = re.compile(r"\n ([A-Z ()/,-]+):\s")
    headers = [header.findall(text) for text in texts]
    assert any(re.search(r"\A +FINAL ADDENDUM\n ADDENDUM:.*?\n_{20,}\n", t, re.S) for t in texts)
    assert any("WET READ" in found for found in headers)
    assert any(Counter(found)["IMPRESSION"] > 1 for found in headers)
    assert any(re.search(r"^ findings:", text, re.M) for text in texts)
    assert any(re.search(r"^FINDINGS:", text, re.M) for text in texts)
    assert any("FINDINGS" in found and "IMPRESSION" not in found for found in headers)
    assert any(re.search(r"\n IMPRESSION: \s*\Z", text) for text in texts)
    assert any(found == ["REASON FOR EXAM"] for found in headers)
    assert any(not found for found in headers)
    assert any("NDICATION" in found for found in headers)
    assert any("PA AND LATERAL CHEST" in found for found in headers)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_report_of_any_shape_says_what_its_labels_say(shape: str) -> None:
    text = report_text(shape, {"Pleural Effusion": 1, "Pneumothorax": 0}, random.Random(1))
    flat = " ".join(text.split())
    assert "There is a small left pleural effusion." in flat
    assert shape == "history and impression" or "There is no pneumothorax." in flat


def test_reports_agree_with_the_labels_of_their_study(default_root: Path) -> None:
    texts = report_texts(default_root)
    chexpert = tables(default_root)["chexpert"].set_index("study_id")["Pleural Effusion"]
    said = "There is a small left pleural effusion."
    labelled = [study for study in texts if study in chexpert.index]
    positive = {study for study in labelled if chexpert[study] == "1.0"}
    assert positive
    assert positive == {study for study in labelled if said in " ".join(texts[study].split())}


# --- the same bytes, and options ------------------------------------------------------------------


def test_same_seed_gives_the_same_bytes_and_another_seed_other_ids(tmp_path: Path) -> None:
    for reports in ("zip", "tar.gz"):
        first, again, other = (
            write_release(tmp_path / reports / str(n), patients=4, seed=seed, reports=reports)
            for n, seed in enumerate((6, 6, 7))
        )
        assert all_files(first) == all_files(again)
        for column in ("subject_id", "study_id", "dicom_id"):
            ids, other_ids = (set(tables(root)["metadata"][column]) for root in (first, other))
            assert not ids & other_ids


def test_other_forms_hold_the_same_tables_and_images(tmp_path: Path) -> None:
    packed = write_release(tmp_path / "gz", patients=4)
    plain = write_release(tmp_path / "csv", patients=4, tables="csv", reports="none")
    for name in ("metadata", "split", "chexpert", "negbio"):
        table = f"mimic-cxr-2.0.0-{name}.csv"
        assert (
            gzip.decompress((packed / f"{table}.gz").read_bytes()) == (plain / table).read_bytes()
        )
        assert not (plain / f"{table}.gz").exists()
    assert (packed / "SHA256SUMS.txt").read_bytes() == (plain / "SHA256SUMS.txt").read_bytes()


@pytest.mark.parametrize(
    ("option", "value", "right"),
    [
        ("patients", 2, "from 3"),
        ("release", "2.2.0", "2.0.0"),
        ("tables", "parquet", "csv.gz"),
        ("reports", "rar", "tar.gz"),
        ("scale", 2, "1/64"),
    ],
)
def test_wrong_option_is_refused_with_the_right_ones_before_anything_is_written(
    option: str, value: object, right: str, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=rf"(?s){option}.*{re.escape(right)}"):
        write_release(tmp_path / "out", **{option: value})
    assert not (tmp_path / "out").exists()


def test_a_release_is_never_overwritten(tmp_path: Path) -> None:
    root = write_release(tmp_path, patients=3)
    before = all_files(root)
    with pytest.raises(OptionError, match=re.escape(str(tmp_path))):
        write_release(tmp_path, patients=3, seed=1)
    assert all_files(root) == before
