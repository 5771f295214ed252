"""The invented Indiana release is true to every fact that a loader can stumble over."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from cxr_datasets.errors import OptionError
from cxr_datasets.testing import contents_under, read_table
from indiana_cxr.mesh import chexpert_labels
from indiana_cxr.mesh_rules import MESH_RULES
from indiana_cxr.synthetic import LAYOUTS, write_release


def projections(root: Path) -> pd.DataFrame:
    return read_table(root / "indiana_projections.csv")


def reports(root: Path) -> pd.DataFrame:
    return read_table(root / "indiana_reports.csv")


@pytest.fixture(scope="module", params=[0, 1, 2])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("indiana") / "release", seed=request.param)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("indiana") / "release", studies=10)


def test_headers_are_those_of_the_release(root: Path) -> None:
    assert ",".join(projections(root)) == "uid,filename,projection"
    assert (
        ",".join(reports(root))
        == "uid,MeSH,Problems,image,indication,comparison,findings,impression"
    )


def test_files_are_ascii_with_one_line_a_row_and_lf_line_ends(root: Path) -> None:
    for name in ("indiana_projections.csv", "indiana_reports.csv"):
        data = (root / name).read_bytes()
        assert data.isascii()
        assert b"\r" not in data
        assert data.count(b"\n") == len(read_table(root / name)) + 1


def test_uids_are_unique_ascending_within_1_to_3999_and_have_gaps(root: Path) -> None:
    uids = reports(root).uid.astype(int)
    assert uids.is_unique
    assert uids.is_monotonic_increasing
    assert uids.between(1, 3999).all()
    assert uids.max() - uids.min() > len(uids)
    assert projections(root).uid.astype(int).is_monotonic_increasing
    assert set(projections(root).uid) == set(reports(root).uid)


def test_three_uids_of_published_splits_have_findings_and_two_images(root: Path) -> None:
    images = projections(root).groupby("uid").size()
    findings = reports(root).set_index("uid").findings
    for uid in ("1", "2", "4"):
        assert images[uid] >= 2
        assert findings[uid]


def test_most_studies_have_findings_and_two_images(root: Path) -> None:
    images = projections(root).groupby("uid").size()
    findings = reports(root).set_index("uid").findings
    assert ((images >= 2) & (findings != "")).sum() >= 30


def test_file_names_have_their_form_and_begin_with_the_uid(root: Path) -> None:
    table = projections(root)
    assert table.filename.is_unique
    assert table.filename.str.fullmatch(r"\d+_IM-\d{4}-\d+(-\d+)?\.dcm\.png").all()
    assert (table.filename.str.partition("_")[0] == table.uid).all()
    assert set(table.projection) == {"Frontal", "Lateral"}
    number = table.filename.str.extract(r"(IM-\d{4})")[0]
    assert number.groupby(table.uid).nunique().max() == 1


def test_studies_have_one_to_five_images_some_without_a_frontal_or_a_lateral(root: Path) -> None:
    views = projections(root).groupby("uid").projection
    assert set(views.size()) == {1, 2, 3, 4, 5}
    combinations = {tuple(group) for _, group in views}
    assert combinations >= {
        *(("Frontal", "Lateral"), ("Frontal",), ("Lateral",), ("Lateral", "Lateral")),
        *(("Frontal", "Frontal", "Lateral"), ("Frontal", "Lateral", "Lateral")),
    }


def test_listed_images_are_grey_pngs_of_more_than_one_size(root: Path) -> None:
    sizes = set()
    for name in projections(root).filename:
        with Image.open(root / "images/images_normalized" / name) as image:
            image.load()
            assert (image.format, image.mode) == ("PNG", "L")
            assert min(image.size) <= 128
            sizes.add(image.size)
    assert len(sizes) > 2


def test_four_image_files_are_on_disk_but_not_listed_and_one_of_them_is_broken(root: Path) -> None:
    on_disk = {path.name: path for path in (root / "images/images_normalized").iterdir()}
    unlisted = set(on_disk) - set(projections(root).filename)
    assert len(unlisted) == 4
    assert {name.partition("_")[0] for name in unlisted} <= set(reports(root).uid)
    broken = 0
    for name in unlisted:
        try:
            Image.open(on_disk[name]).load()
        except OSError:
            broken += 1
    assert broken == 1


def test_literal_none_stands_beside_empty_comparisons(root: Path) -> None:
    comparison = reports(root).comparison
    assert (comparison == "None").any()
    assert (comparison == "None.").any()
    assert (comparison == "").any()
    # What the facts call the trap: default parsing turns the word into a null.
    naive = pd.read_csv(root / "indiana_reports.csv").comparison
    assert naive.isna().sum() == (comparison == "").sum() + (comparison == "None").sum()


@pytest.mark.parametrize("column", ["indication", "comparison", "findings", "impression"])
def test_each_section_is_empty_somewhere_and_mostly_not(root: Path, column: str) -> None:
    assert 0 < (reports(root)[column] == "").mean() < 0.5


def test_findings_and_impression_are_both_empty_somewhere(root: Path, small: Path) -> None:
    for release in (root, small):
        table = reports(release)
        assert ((table.findings == "") & (table.impression == "")).any()


def test_texts_carry_the_marks_of_the_release(root: Path) -> None:
    table = reports(root)
    texts = table[["indication", "findings", "impression"]].agg(" ".join, axis=1)
    for mark in ("XXXX", "&lt;", "<BR>", '"'):
        assert texts.str.contains(mark, regex=False).any(), mark
    assert table.image.str.startswith(" ").any()
    assert (table.image != "").all()


def test_problems_are_the_headings_in_order(root: Path) -> None:
    table = reports(root)
    for mesh, problems in zip(table.MeSH, table.Problems, strict=True):
        assert [term.split("/")[0] for term in mesh.split(";")] == problems.split(";")


def test_normal_and_no_indexing_stand_alone(root: Path) -> None:
    mesh = reports(root).MeSH
    for word in ("normal", "No Indexing"):
        assert (mesh == word).any()
        assert (mesh.str.contains(rf"\b{word}\b") == (mesh == word)).all()


def test_mesh_varies_as_in_the_release(root: Path) -> None:
    mesh = reports(root).MeSH
    terms = [term for cell in mesh for term in cell.split(";")]
    headings = {term.split("/")[0] for term in terms}
    assert max(term.count("/") for term in terms) >= 5
    assert any(", " in heading for heading in headings)
    assert any("  " in heading for heading in headings)
    assert any(heading.endswith(" ") for heading in headings)
    assert "Cardiac Shadow/enlarged " in terms
    assert any("/Thoracic Vertebrae/" in term for term in terms)
    assert any(len(cell.split(";")) != len(set(cell.split(";"))) for cell in mesh)


@pytest.mark.parametrize(
    "rule",
    [
        *("pulmonary atelectasis", "cardiomegaly", "consolidation", "pneumonia"),
        *("pulmonary edema", "cardiac shadow/enlarged", "fractures, bone", "nodule", "mass"),
        *("opacity/lung", "density/lung", "pleural effusion", "pericardial effusion"),
        *("thickening/pleura", "cicatrix/pleura", "pneumothorax", "hydropneumothorax"),
        *("catheters, indwelling", "implanted medical device", "medical device"),
        *("normal", "no indexing", "opacity/mediastinum", "cicatrix/lung", "thickening/aorta"),
        *("tube, inserted", "airspace disease", "infiltrate", "opacity/retrocardiac"),
        *("density/costophrenic angle", "mediastinum/prominent", "mediastinum/lymph nodes"),
        *("nodule/breast", "mass/thorax", "hemopneumothorax", "calcinosis/pleura"),
        *("density/ribs", "cardiac shadow/borderline"),
    ],
)
def test_every_label_rule_and_near_miss_has_a_study_of_its_own(root: Path, rule: str) -> None:
    heading, _, qualifier = rule.partition("/")
    alone = [
        [part.strip() for part in mesh.lower().split("/")]
        for mesh in reports(root).MeSH
        if ";" not in mesh
    ]
    assert any(parts[0] == heading and (not qualifier or qualifier in parts) for parts in alone)


def test_the_two_sets_of_label_rules_differ_in_every_label_that_they_rule_otherwise(
    root: Path,
) -> None:
    mesh = pa.array(reports(root).MeSH)
    old, new = (pd.DataFrame(chexpert_labels(mesh, rules).to_pylist()) for rules in MESH_RULES)
    differing = {name for name in old if ((old[name] != new[name]) & old[name].notna()).any()}
    assert differing == {
        *("Cardiomegaly", "Enlarged Cardiomediastinum", "Lung Lesion", "Lung Opacity"),
        *("No Finding", "Pleural Effusion", "Pleural Other", "Support Devices"),
    }


def test_a_study_with_several_problems_occurs(root: Path) -> None:
    assert (reports(root).MeSH.str.count(";") >= 2).any()


# --- layouts, the same bytes, options -------------------------------------------------------------


@pytest.mark.parametrize("layout", ["images_normalized", "images", "flat"])
def test_layout_moves_the_images_and_changes_nothing_else(
    layout: str, small: Path, tmp_path: Path
) -> None:
    moved = contents_under(write_release(tmp_path, studies=10, layout=layout))
    plain = contents_under(small)
    renamed = {name.replace("images/images_normalized/", LAYOUTS[layout]) for name in plain}
    assert set(moved) == renamed
    assert sorted(moved.values()) == sorted(plain.values())


def test_zip_layout_is_one_archive_of_the_whole(small: Path, tmp_path: Path) -> None:
    root = write_release(tmp_path, studies=10, layout="zip")
    files = contents_under(root)
    assert set(files) == {"archive.zip"}
    with zipfile.ZipFile(io.BytesIO(files["archive.zip"])) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == contents_under(small)


@pytest.mark.parametrize("layout", ["images_normalized", "zip"])
def test_same_seed_gives_the_same_bytes_and_another_seed_other_uids(
    layout: str, tmp_path: Path
) -> None:
    first, again, other = (
        write_release(tmp_path / str(n), studies=12, seed=seed, layout=layout)
        for n, seed in enumerate((6, 6, 7))
    )
    assert contents_under(first) == contents_under(again)
    assert not set(contents_under(first).values()) & set(contents_under(other).values())


def test_another_seed_gives_other_uids_but_for_the_three_of_published_splits(
    small: Path, tmp_path: Path
) -> None:
    other = write_release(tmp_path, studies=10, seed=1)
    assert set(reports(small).uid) & set(reports(other).uid) == {"1", "2", "4"}


@pytest.mark.parametrize("studies", [3, 4, 100])
def test_as_many_studies_as_asked_for_are_written(studies: int, tmp_path: Path) -> None:
    root = write_release(tmp_path, studies=studies, scale=1 / 64)
    assert len(reports(root)) == studies


@pytest.mark.parametrize(
    ("option", "value", "right"),
    [
        ("studies", 2, "from 3"),
        ("layout", "tar", "images_normalized"),
        ("scale", 0, "1/64"),
    ],
)
def test_wrong_option_is_refused_with_the_right_ones_before_anything_is_written(
    option: str, value: object, right: str, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=rf"(?s){option}.*{re.escape(right)}"):
        write_release(tmp_path / "out", **{option: value})
    assert not (tmp_path / "out").exists()


def test_a_release_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(OptionError, match=re.escape(str(tmp_path))):
        write_release(tmp_path)
    assert set(contents_under(tmp_path)) == {"mine.txt"}
