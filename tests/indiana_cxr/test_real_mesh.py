"""The MeSH rules on the real tables, if `CXR_INDIANA_DIR` names a folder that has them.

Beside `indiana_reports.csv` the last test needs `transchex_labels_dev.csv`, the public TransChex
labels: `uid` and a column a label. Only counts are compared, so that a failure shows no text, code
or id.
"""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pytest

from cxr_datasets.columns import LABELS
from indiana_cxr.mesh import chexpert_labels, mesh_terms, problem_list

REAL_DIR = os.environ.get("CXR_INDIANA_DIR", "")

pytestmark = pytest.mark.skipif(not REAL_DIR, reason="CXR_INDIANA_DIR is not set")

STUDIES = 3851
NOT_INDEXED = 92

# Counts by TransChex's rules, with two corrections. Of its 153 studies with an effusion 4 have a
# pericardial one only, which leaves 149; each of these 4 has another finding, so none becomes
# No Finding. Of its 2,674 studies with No Finding 92 were not indexed, which leaves 2,582.
POSITIVE_STUDIES = {
    "Atelectasis": 315,
    "Cardiomegaly": 345,
    "Consolidation": 59,
    "Edema": 42,
    "Enlarged Cardiomediastinum": 364,
    "Fracture": 83,
    "Lung Lesion": 119,
    "Lung Opacity": 726,
    "No Finding": 2674 - NOT_INDEXED,
    "Pleural Effusion": 153 - 4,
    "Pleural Other": 54,
    "Pneumonia": 40,
    "Pneumothorax": 26,
    "Support Devices": 199,
}


def read_csv(name: str) -> pa.Table:
    return pa_csv.read_csv(Path(REAL_DIR) / name)


@pytest.fixture(scope="module")
def reports() -> pa.Table:
    return read_csv("indiana_reports.csv").select(["uid", "MeSH", "Problems"])


@pytest.fixture(scope="module")
def labels(reports: pa.Table) -> pa.Table:
    """The 14 labels and the `uid` of each report."""
    struct = chexpert_labels(reports["MeSH"])
    return pa.Table.from_arrays([reports["uid"], *struct.flatten()], names=["uid", *LABELS])


def test_positive_counts_are_those_known_for_the_release(labels: pa.Table) -> None:
    assert labels.num_rows == STUDIES
    assert {name: pc.sum(labels[name]).as_py() for name in LABELS} == POSITIVE_STUDIES


def test_exactly_the_studies_without_indexing_are_null(labels: pa.Table) -> None:
    assert [labels[name].null_count for name in LABELS] == [NOT_INDEXED] * len(LABELS)


def test_problems_are_the_headings_of_the_terms(reports: pa.Table) -> None:
    terms = mesh_terms(reports["MeSH"])
    problems = problem_list(reports["Problems"])
    assert terms.null_count == problems.null_count == 0
    headings = pc.utf8_trim_whitespace(
        pc.replace_substring_regex(pc.list_flatten(terms), "/.*", "")
    )
    same_study = pc.equal(pc.list_parent_indices(terms), pc.list_parent_indices(problems))
    same_heading = pc.equal(headings, pc.list_flatten(problems))
    assert pc.sum(pc.and_(same_study, same_heading)).as_py() == len(headings)


def test_labels_are_those_of_transchex_outside_the_two_corrections(
    reports: pa.Table, labels: pa.Table
) -> None:
    theirs = read_csv("transchex_labels_dev.csv").select(["uid", *LABELS]).sort_by("uid")
    position = pc.index_in(theirs["uid"], value_set=labels["uid"])
    assert position.null_count == 0
    ours = labels.take(position)
    mesh = pc.utf8_lower(reports["MeSH"].take(position))
    # By the raw cells, so that the rules under test do not choose what they are tested on.
    pericardial_only = pc.and_not(
        pc.match_substring(mesh, "pericardial effusion"),
        pc.match_substring(mesh, "pleural effusion"),
    )
    not_indexed = pc.match_substring(mesh, "no indexing")
    corrected = pc.or_(pericardial_only, not_indexed)

    kept = pc.invert(corrected)
    differing = {
        name: theirs.num_rows
        - pc.sum(corrected).as_py()
        - pc.sum(pc.equal(ours[name].filter(kept), theirs[name].filter(kept))).as_py()
        for name in LABELS
    }
    assert differing == dict.fromkeys(LABELS, 0)
    # In the two corrected groups TransChex has these labels, and we do not.
    assert (pc.sum(pericardial_only).as_py(), pc.sum(not_indexed).as_py()) == (2, 42)
    assert pc.sum(theirs["Pleural Effusion"].filter(pericardial_only)).as_py() == 2
    assert pc.sum(ours["Pleural Effusion"].filter(pericardial_only)).as_py() == 0
    assert pc.sum(theirs["No Finding"].filter(not_indexed)).as_py() == 42
