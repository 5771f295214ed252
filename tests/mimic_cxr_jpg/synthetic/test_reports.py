"""The reports of the invented release have the shapes of real ones, and agree with the labels."""

from __future__ import annotations

import random
import re
import tarfile
import zipfile
from collections import Counter
from itertools import product
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from cxr_datasets.columns import LABELS
from cxr_datasets.labels import label_text
from mimic_cxr_jpg.reports import parse_sections
from mimic_cxr_jpg.synthetic import write_release
from mimic_cxr_jpg.synthetic.reports import SHAPES, report_text
from mimic_cxr_jpg.synthetic.sentences import FINDINGS, SENTENCES
from mimic_cxr_jpg.synthetic.studies import draw_studies
from tests.mimic_cxr_jpg.synthetic.conftest import report_texts, tables


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
    labels = {"Pleural Effusion": 1, "Pneumothorax": 0, "Edema": -1, "Cardiomegaly": 0}
    for seed in range(20):
        assert labels_in(report_text(shape, labels, random.Random(seed))) == labels


def labels_in(report: str) -> dict[str, int]:
    """What our rules read from the text that the release's own labels were read from."""
    sections = parse_sections(pa.array([report]))
    names = ("impression", "findings", "last_paragraph", "comparison")
    (text,) = pc.coalesce(*(sections[name] for name in names)).to_pylist()
    return {label: value for label, value in label_text(text).items() if value is not None}


@pytest.mark.parametrize("seed", [0, 1])
def test_the_labelled_text_of_every_study_says_what_its_labels_are(seed: int) -> None:
    """Of some 500 studies, and each label with each of its values among them."""
    studies = [study for study in draw_studies(120, seed, 1 / 64) if study.report]
    wrong = {
        study.report: (labels_in(study.report), study.labels)
        for study in studies
        if labels_in(study.report) != study.labels
    }
    assert not wrong
    said = {item for study in studies for item in study.labels.items()}
    assert said == {("No Finding", 1), *product(FINDINGS, (1, 0, -1))}


def test_the_table_of_labels_is_what_the_reports_say(default_root: Path) -> None:
    table = tables(default_root)["chexpert"].set_index("study_id")
    texts = report_texts(default_root)
    compared = [study for study in texts if study in table.index]
    assert len(compared) > 80
    for study in compared:
        row = table.loc[study, list(LABELS)]
        assert labels_in(texts[study]) == {
            label: int(float(cell)) for label, cell in row.items() if cell
        }


@pytest.mark.parametrize("label", FINDINGS)
def test_every_sentence_of_the_invented_reports_says_one_thing(label: str) -> None:
    for value, sentences in zip((1, 0, -1), SENTENCES[label], strict=True):
        assert len(set(sentences)) > 1
        for sentence in sentences:
            found = {name: said for name, said in label_text(sentence).items() if said is not None}
            found.pop("No Finding", None)
            assert found == {label: value}, sentence
