"""How well rules read the real findings, if `CXR_INDIANA_DIR` names a folder that has them.

The folder needs the release's table of reports, and `chexbert_findings_labels_dev.csv`: CheXbert's
labels of the findings of 1,464 reports.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cxr_datasets.columns import LABELS
from cxr_datasets.labels import label_matrix, label_texts

REAL_DIR = os.environ.get("CXR_INDIANA_DIR", "")
PAGE = Path(__file__).parents[2] / "docs" / "labels.md"
VALUES = (1, 0, -1)

pytestmark = pytest.mark.skipif(not REAL_DIR, reason="CXR_INDIANA_DIR is not set")


@pytest.fixture(scope="module")
def both() -> tuple[np.ndarray, np.ndarray]:
    """Labels of CheXbert and of the rules, (1464, 14) each, NaN for not mentioned."""
    texts = pd.read_csv(Path(REAL_DIR, "indiana_reports.csv"), keep_default_na=False)
    labels = pd.read_csv(Path(REAL_DIR, "chexbert_findings_labels_dev.csv"))
    rows = labels.merge(texts[["uid", "findings"]], on="uid", validate="one_to_one")
    theirs = rows[list(LABELS)].to_numpy(np.float32)
    silent = LABELS.index("No Finding")
    theirs[theirs[:, silent] == 0, silent] = np.nan
    return theirs, label_matrix(label_texts(pa.array(rows["findings"])))


def f1(theirs: np.ndarray, ours: np.ndarray, value: int) -> float:
    there, here = theirs == value, ours == value
    return float(2 * (there & here).sum() / (there.sum() + here.sum()))


def published() -> dict[str, list[str]]:
    """Cells of the table in docs/labels.md, by label."""
    text = PAGE.read_text(encoding="utf-8")
    _, _, rest = text.partition("<!-- measured: labels from text -->")
    table, _, _ = rest.partition("<!-- end of measured -->")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.split("\n") if line]
    return {row[0]: row[1:] for row in rows[2:]}


def test_the_page_tells_what_is_measured_for_each_label(both):
    theirs, ours = both
    assert len(theirs) == 1464
    table = published()
    assert list(table) == [*LABELS, "all"]
    for place, label in enumerate(LABELS):
        for cell, value in zip(table[label], VALUES, strict=True):
            count = int((theirs[:, place] == value).sum())
            if count:
                score = f1(theirs[:, place], ours[:, place], value)
                figure, number = cell.removesuffix(")").split(" (")
                assert int(number.replace(",", "")) == count
                assert float(figure) == pytest.approx(score, abs=0.000501)
            else:
                assert cell == ""


def test_no_label_that_is_positive_in_20_reports_is_found_badly(both):
    theirs, ours = both
    scores = {
        label: f1(theirs[:, at], ours[:, at], 1)
        for at, label in enumerate(LABELS)
        if (theirs[:, at] == 1).sum() >= 20
    }
    assert len(scores) == 10
    assert {label: score for label, score in scores.items() if score < 0.6} == {}


def test_the_page_tells_what_is_measured_over_all_labels(both):
    theirs, ours = both
    positive = np.mean([f1(theirs[:, at], ours[:, at], 1) for at in range(len(LABELS))])
    measured = [positive, f1(theirs, ours, 0), f1(theirs, ours, -1)]
    assert [float(cell) for cell in published()["all"]] == pytest.approx(measured, abs=0.000501)
    assert positive >= 0.85
    assert measured[1] >= 0.955
    assert measured[2] >= 0.85
