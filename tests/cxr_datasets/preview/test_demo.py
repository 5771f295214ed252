"""The program `make demo` runs: what it prints is true, and it keeps to its folder."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

import cxr_datasets
from tests import forked

CHECKOUT = Path(cxr_datasets.__file__).parents[1]
LABELS = (
    *("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged Cardiomediastinum"),
    *("Fracture", "Lung Lesion", "Lung Opacity", "No Finding", "Pleural Effusion"),
    *("Pleural Other", "Pneumonia", "Pneumothorax", "Support Devices"),
)


def run_demo(folder: Path, cwd: Path = CHECKOUT) -> subprocess.CompletedProcess[str]:
    home = folder.parent / "home"
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT), "HF_HOME": str(home)}
    return forked.run(["-m", "cxr_datasets.preview", str(folder)], cwd=cwd, env=env, timeout=120)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "out"


@pytest.fixture(scope="module")
def run(folder: Path) -> subprocess.CompletedProcess[str]:
    return run_demo(folder)


def part(output: str, title: str) -> str:
    """What was printed under one title."""
    return output.split(f"== {title} ")[1].split("\n== ")[0]


def table(text: str, first: str) -> pd.DataFrame:
    """A printed table, found by the heading of its first column."""
    lines = text.splitlines()
    top = next(i for i, line in enumerate(lines) if line.split()[:1] == [first])
    spans = [match.span() for match in re.finditer("-+", lines[top + 1])]
    rows = []
    for line in lines[top + 2 :]:
        row = [line[start:end].strip() for start, end in spans]
        if not row[0] or len("".join(row)) != len(re.sub(r"  +", "", line).strip()):
            break  # a sentence, which keeps to no columns
        rows.append(row)
    header = [lines[top][start:end].strip() for start, end in spans]
    return pd.DataFrame(rows, columns=header).set_index(first)


def test_it_ends_well_and_says_nothing_but_its_tables_and_what_each_first_load_says(
    run: subprocess.CompletedProcess[str], folder: Path
) -> None:
    lacking = r"\d+ of \d+ studies have no report in \S+\.zip: their columns of text are null"
    times = r"1 of \d+ studies in \S+ have images of more than one StudyDate or StudyTime\..*"
    assert run.stderr
    assert all(re.fullmatch(f"{lacking}|{times}", line) for line in run.stderr.splitlines())
    assert run.returncode == 0
    assert "invented" in run.stdout.splitlines()[0]
    lines = [line for line in run.stdout.splitlines() if str(folder) not in line]
    assert max(map(len, lines)) <= 100


def test_the_calls_it_shows_are_the_plain_ones(
    run: subprocess.CompletedProcess[str], folder: Path
) -> None:
    for package in ("indiana_cxr", "mimic_cxr_jpg"):
        release = folder / package.replace("_", "-")
        call = f'load_dataset("./{package}", data_dir="{release}", cache_dir="{folder}/cache")'
        # An absolute path makes the line long; only the words count here.
        assert f"import {package}" in run.stdout
        assert call in run.stdout


def test_counts_of_splits_are_those_of_the_release(
    run: subprocess.CompletedProcess[str], folder: Path
) -> None:
    printed = table(part(run.stdout, "mimic-cxr-jpg"), "split")
    split = pd.read_csv(folder / "mimic-cxr-jpg" / "mimic-cxr-2.0.0-split.csv.gz")
    for name, raw in {"train": "train", "validation": "validate", "test": "test"}.items():
        rows = split[split["split"] == raw]
        counts = [len(rows), rows["study_id"].nunique(), rows["subject_id"].nunique()]
        assert [int(printed.loc[name, c]) for c in ("images", "studies", "patients")] == counts
    metadata = pd.read_csv(folder / "mimic-cxr-jpg" / "mimic-cxr-2.0.0-metadata.csv.gz")
    assert int(printed.loc["all", "images"]) == len(metadata)
    assert int(printed.loc["all", "unknown"]) == metadata["ViewPosition"].isna().sum()

    printed = table(part(run.stdout, "indiana-cxr"), "split")
    projections = pd.read_csv(folder / "indiana-cxr" / "indiana_projections.csv")
    for view in ("Frontal", "Lateral"):
        in_table = (projections["projection"] == view).sum()
        assert int(printed.loc["train", view.lower()]) == in_table


def test_counts_of_labels_are_those_of_the_release(
    run: subprocess.CompletedProcess[str], folder: Path
) -> None:
    printed = table(part(run.stdout, "mimic-cxr-jpg"), "label")
    chexpert = pd.read_csv(folder / "mimic-cxr-jpg" / "mimic-cxr-2.0.0-chexpert.csv.gz")
    split = pd.read_csv(folder / "mimic-cxr-jpg" / "mimic-cxr-2.0.0-split.csv.gz")
    assert tuple(printed.index) == LABELS
    for label in LABELS:
        stated = [(chexpert[label] == value).sum() for value in (1, 0, -1)]
        blank = split["study_id"].nunique() - sum(stated)
        assert [int(cell) for cell in printed.loc[label]] == [*stated, blank]


def test_it_says_that_no_patient_is_in_two_splits(run: subprocess.CompletedProcess[str]) -> None:
    assert "No patient is in two splits." in part(run.stdout, "mimic-cxr-jpg")


def test_the_stream_is_said_to_be_the_built_split(run: subprocess.CompletedProcess[str]) -> None:
    for name in ("indiana-cxr", "mimic-cxr-jpg"):
        assert "the same rows in the same order" in part(run.stdout, name)


def test_the_study_shown_has_a_text_and_labels_of_its_own(
    run: subprocess.CompletedProcess[str],
) -> None:
    for name in ("indiana-cxr", "mimic-cxr-jpg"):
        study = part(run.stdout, name).split("One study: ")[1]
        assert study.count("\n  |") > 5
        assert "IMPRESSION:" in study
        listed = " ".join(study.split("\n  positive ")[1].split())
        assert sum(label in listed for label in LABELS) == len(LABELS)


def test_the_contact_sheet_is_where_it_says_and_shows_images_of_both(
    run: subprocess.CompletedProcess[str],
) -> None:
    path = next(line.strip() for line in run.stdout.splitlines() if line.endswith(".png"))
    with Image.open(path) as sheet:
        assert sheet.mode == "L"
        assert min(sheet.size) > 1000
        top, bottom = (sheet.crop((0, y, sheet.width, y + 300)) for y in (74, sheet.height // 2))
        for half in (top, bottom):
            assert len(set(half.resize((64, 16)).tobytes())) > 50  # shades of grey


@pytest.fixture(scope="module")
def again(
    run: subprocess.CompletedProcess[str], folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> subprocess.CompletedProcess[str]:
    """A second run into the same folder, from outside the checkout."""
    (folder / "mimic-cxr-jpg" / "stray").touch()
    return run_demo(folder, cwd=tmp_path_factory.mktemp("outside"))


@pytest.mark.thorough
def test_a_second_run_replaces_the_first(
    run: subprocess.CompletedProcess[str], again: subprocess.CompletedProcess[str], folder: Path
) -> None:
    assert again.returncode == 0
    assert not (folder / "mimic-cxr-jpg" / "stray").exists()
    differs = re.compile(r"in [\d.]+ m?s|(?<=load_dataset\(\")\./")
    assert differs.sub("", again.stdout) == differs.sub("", run.stdout)


def test_everything_it_writes_is_in_its_folder(
    run: subprocess.CompletedProcess[str], folder: Path
) -> None:
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "demo" / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("years of work")
    run = run_demo(mine.parent)
    assert run.returncode == 1
    assert str(mine.parent) in run.stderr
    assert "Traceback" not in run.stderr
    assert [path.name for path in mine.parent.iterdir()] == ["thesis.txt"]
    assert mine.read_text() == "years of work"


def test_outside_the_checkout_it_loads_by_name(again: subprocess.CompletedProcess[str]) -> None:
    assert again.returncode == 0
    assert 'load_dataset("mimic_cxr_jpg", data_dir=' in again.stdout


@pytest.mark.parametrize("labels", [1, 3, 8, 14])
def test_a_caption_stays_beneath_its_own_pair(labels: int) -> None:
    from cxr_datasets.preview.sheet import Pair, contact_sheet

    image = Image.new("L", (100, 120), 90)

    def sheet(caption: str) -> Image.Image:
        return contact_sheet([("title", [Pair(image, image, caption)])])

    bare, captioned = sheet(""), sheet(", ".join(LABELS[:labels]))
    changed = [
        (i % bare.width, i // bare.width)
        for i, (a, b) in enumerate(zip(bare.tobytes(), captioned.tobytes(), strict=True))
        if a != b
    ]
    assert changed
    assert max(x for x, _ in changed) <= 28 + 2 * 230 + 6
    assert max(y for _, y in changed) < 28 + 46 + 230 + 62


def test_a_dataset_that_cannot_be_shown_is_named_and_the_others_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from cxr_datasets.preview import demo

    notes = tmp_path / "site" / "half_cxr-1.0.dist-info"
    notes.mkdir(parents=True)
    (notes / "METADATA").write_text("Metadata-Version: 2.1\nName: half-cxr\nVersion: 1.0\n")
    (notes / "entry_points.txt").write_text("[cxr_datasets]\nhalf-cxr = half_cxr.half_cxr:Half\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    found = [pair for pair in demo._installed() if pair[0] in ("half-cxr", "indiana-cxr")]
    monkeypatch.setattr(demo, "_installed", lambda: found)
    assert demo.main([str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "half_cxr.synthetic.write_release" in part(printed, "half-cxr")
    assert "One study: " in part(printed, "indiana-cxr")
    assert (tmp_path / "out" / "contact_sheet.png").is_file()


def test_a_study_without_a_report_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    from cxr_datasets.preview.demo import _show_study

    study = {"study_id": 1, "subject_id": 2, "views": [0], "report": None, "labels": None}
    _show_study(study)
    printed = capsys.readouterr().out
    assert "no report" in printed
    assert "positive       -" in printed


def test_the_sheet_that_shows_a_dataset_with_an_agreement_is_closed_to_others(
    run: subprocess.CompletedProcess[str], folder: Path
) -> None:
    assert run.returncode == 0
    assert (folder / "contact_sheet.png").stat().st_mode & 0o137 == 0
