"""The reports of the invented release have the shapes of real ones, and agree with the labels."""

from __future__ import annotations

import random
import re
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from mimic_cxr_jpg.synthetic import write_release
from mimic_cxr_jpg.synthetic.reports import SHAPES, report_text
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
