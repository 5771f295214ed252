"""The MeSH rules on the real tables, if `CXR_INDIANA_DIR` names a folder that has them.

Beside the release's two tables some tests need `transchex_labels_dev.csv`, the public TransChex
labels (`uid` and a column a label), and `chexbert_findings_labels_dev.csv`, what CheXbert says of
findings (`uid` and a column a label: 1, 0, -1 or blank). Only counts are compared, so that a
failure shows no text, code or id. What the card, README.md beside the package, says is read there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pytest

from cxr_datasets.columns import LABELS
from indiana_cxr.mesh import chexpert_labels, mesh_terms, problem_list
from indiana_cxr.mesh_rules import CHEST, IN_LUNG, MESH_RULES, NO_PLACE, OUTSIDE_LUNG
from tests.docs.pages import CARDS, read, table

REAL_DIR = os.environ.get("CXR_INDIANA_DIR", "")

pytestmark = pytest.mark.skipif(not REAL_DIR, reason="CXR_INDIANA_DIR is not set")

CARD = CARDS["indiana_cxr"]
STUDIES = 3851
NOT_INDEXED = 92
DIFFERING = (228, 429)

# Counts of TransChex's own rules. Of its 153 studies with an effusion 4 have a pericardial one
# only, which leaves 149; each of these 4 has another finding, so none becomes No Finding. Of its
# 2,674 studies with No Finding 92 were not indexed, which leaves 2,582.
BY_TRANSCHEX = {
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


def number(cell: str) -> int:
    return int(cell.replace(",", ""))


@pytest.fixture(scope="module")
def reports() -> pa.Table:
    return read_csv("indiana_reports.csv").select(["uid", "MeSH", "Problems"])


@pytest.fixture(scope="module")
def labels(reports: pa.Table) -> dict[str, pd.DataFrame]:
    """Rules -> a column a label, a row a report by its uid."""
    uids = reports["uid"].to_pylist()
    return {
        rules: pd.DataFrame(chexpert_labels(reports["MeSH"], rules).to_pylist(), uids)
        for rules in MESH_RULES
    }


@pytest.fixture(scope="module")
def images() -> pd.Series:
    """How many images each report has, by its uid."""
    return read_csv("indiana_projections.csv")["uid"].to_pandas().value_counts()


@pytest.fixture(scope="module")
def terms(reports: pa.Table) -> pd.DataFrame:
    """A row a term: `uid`, `heading`, and its qualifiers as a set."""
    cells = pd.Series(reports["MeSH"].to_pylist(), reports["uid"].to_pylist())
    rows = cells.str.lower().str.split(";").explode()
    parts = rows.map(lambda term: [" ".join(part.split()) for part in term.split("/")])
    heading, qualifiers = parts.str[0], parts.str[1:].map(set)
    return pd.DataFrame({"uid": rows.index, "heading": heading, "qualifiers": qualifiers})


# What the labels are.


@pytest.mark.parametrize(("rules", "columns"), [("corrected", (2, 3)), ("transchex", (4, 5))])
def test_positive_studies_and_images_are_those_of_the_card(
    labels: dict[str, pd.DataFrame], images: pd.Series, rules: str, columns: tuple[int, int]
) -> None:
    positive = labels[rules] == 1
    found = {
        name: (int(positive[name].sum()), int(images[positive.index[positive[name]]].sum()))
        for name in LABELS
    }
    said = {row[0]: tuple(number(row[n]) for n in columns) for row in table(CARD, "label")}
    assert found == said


def test_transchex_rules_give_the_counts_known_for_the_release(
    labels: dict[str, pd.DataFrame],
) -> None:
    assert len(labels["transchex"]) == STUDIES
    assert (labels["transchex"] == 1).sum().to_dict() == BY_TRANSCHEX


@pytest.mark.parametrize("rules", MESH_RULES)
def test_exactly_the_studies_without_indexing_are_null(
    labels: dict[str, pd.DataFrame], rules: str
) -> None:
    assert labels[rules].isna().sum(axis=1).value_counts().to_dict() == {
        0: STUDIES - NOT_INDEXED,
        len(LABELS): NOT_INDEXED,
    }


def test_problems_are_the_headings_of_the_terms(reports: pa.Table) -> None:
    coded = mesh_terms(reports["MeSH"])
    problems = problem_list(reports["Problems"])
    assert coded.null_count == problems.null_count == 0
    headings = pc.utf8_trim_whitespace(
        pc.replace_substring_regex(pc.list_flatten(coded), "/.*", "")
    )
    same_study = pc.equal(pc.list_parent_indices(coded), pc.list_parent_indices(problems))
    same_heading = pc.equal(headings, pc.list_flatten(problems))
    assert pc.sum(pc.and_(same_study, same_heading)).as_py() == len(headings)


def test_every_qualifier_of_the_release_is_in_a_list_and_each_of_a_list_in_the_release(
    terms: pd.DataFrame,
) -> None:
    listed = {*IN_LUNG, *OUTSIDE_LUNG, CHEST, *NO_PLACE}
    coded = set().union(*terms.qualifiers)
    assert (len(coded - listed), len(listed - coded)) == (0, 0)


# How the two sets of rules differ.


def changed(labels: dict[str, pd.DataFrame], name: str, before: int, after: int) -> pd.Index:
    """The uids of the reports whose label is one by TransChex's rules and the other now."""
    old, new = labels["transchex"][name], labels["corrected"][name]
    return old.index[(old == before) & (new == after)]


def test_as_many_studies_have_other_labels_as_the_card_says(
    labels: dict[str, pd.DataFrame], images: pd.Series
) -> None:
    known = labels["corrected"].notna().all(axis=1)
    differ = (labels["corrected"] != labels["transchex"]).any(axis=1) & known
    assert (int(differ.sum()), int(images[differ.index[differ]].sum())) == DIFFERING
    assert "{} studies ({} images)".format(*DIFFERING) in " ".join(read(CARD).split())


def test_every_change_changes_as_many_studies_and_images_as_its_row_of_the_card_says(
    labels: dict[str, pd.DataFrame], terms: pd.DataFrame, images: pd.Series
) -> None:
    rows = table(CARD, "coded")
    left = {
        (name, before, after): set(changed(labels, name, before, after))
        for name in LABELS
        for before, after in ((0, 1), (1, 0))
    }
    for coded, name, change, studies, count in rows:
        before, after = map(int, change.split(" to "))
        found = changed(labels, name, before, after)
        if name != "No Finding":
            headings = re.findall(r"`([^`]+)`", re.split(" with| in | elsewhere", coded)[0].lower())
            found = found[found.isin(terms.uid[terms.heading.isin(headings)])]
        assert (len(found), int(images[found].sum())) == (number(studies), number(count)), coded
        left[name, before, after] -= set(found)
    # No study has a change that no row tells.
    assert {key: len(uids) for key, uids in left.items() if uids} == {}


def test_no_finding_is_the_absence_of_the_12_and_not_of_devices(
    labels: dict[str, pd.DataFrame],
) -> None:
    known = labels["corrected"].dropna()
    others = known.drop(columns=["No Finding", "Support Devices"])
    assert len(others.columns) == 12
    assert int(((others == 0).all(axis=1) != (known["No Finding"] == 1)).sum()) == 0
    both = int(((known["No Finding"] == 1) & (known["Support Devices"] == 1)).sum())
    assert f"{both} studies have both it and Support Devices" in " ".join(read(CARD).split())


def test_what_the_card_says_of_the_reports_left_as_they_are_holds(
    labels: dict[str, pd.DataFrame], terms: pd.DataFrame
) -> None:
    text = " ".join(read(CARD).split())
    blunted = set(terms.uid[terms.qualifiers.map(lambda qualifiers: "blunted" in qualifiers)])
    dry = int((labels["corrected"]["Pleural Effusion"].loc[list(blunted)] == 0).sum())
    assert f"Of the {len(blunted)} studies with a term qualified by `blunted`, {dry} have" in text
    granulomas = terms.uid[terms.heading.isin(("calcified granuloma", "granuloma"))].nunique()
    assert f"`Calcified Granuloma` and `Granuloma` ({granulomas} studies) are no Lung" in text


# Beside labels that others made.


def test_transchex_rules_give_its_labels_but_for_two_corrections(
    reports: pa.Table, labels: dict[str, pd.DataFrame]
) -> None:
    theirs = read_csv("transchex_labels_dev.csv").to_pandas().set_index("uid")[list(LABELS)]
    ours = labels["transchex"].loc[theirs.index]
    mesh = pd.Series(reports["MeSH"].to_pylist(), reports["uid"].to_pylist()).str.lower()
    mesh = mesh[theirs.index]
    # By the raw cells, so that the rules under test do not choose what they are tested on.
    pericardial_only = mesh.str.contains("pericardial effusion") & ~mesh.str.contains(
        "pleural effusion"
    )
    not_indexed = mesh.str.contains("no indexing")
    kept = ~(pericardial_only | not_indexed)
    assert len(theirs) == 1_823
    assert int((ours[kept] != theirs[kept]).sum().sum()) == 0
    # In the two corrected groups TransChex has these labels, and we do not.
    assert (int(pericardial_only.sum()), int(not_indexed.sum())) == (2, 42)
    effusions = [int(table["Pleural Effusion"][pericardial_only].sum()) for table in (theirs, ours)]
    assert effusions == [2, 0]
    other = [name for name in LABELS if name != "Pleural Effusion"]
    assert int((ours[pericardial_only] != theirs[pericardial_only])[other].sum().sum()) == 0
    assert int(theirs["No Finding"][not_indexed].sum()) == 42
    assert int(ours[not_indexed].notna().sum().sum()) == 0


def test_agreement_with_chexbert_is_what_the_card_says(labels: dict[str, pd.DataFrame]) -> None:
    chexbert = read_csv("chexbert_findings_labels_dev.csv").to_pandas().set_index("uid")
    assert f"the findings of {len(chexbert):,} studies" in read(CARD)
    scores = {}
    for rules, ours in labels.items():
        known = ours.loc[chexbert.index].dropna()
        theirs = chexbert.loc[known.index, list(LABELS)] == 1
        positive = known == 1
        scores[rules] = 2 * (theirs & positive).sum() / (theirs.sum() + positive.sum())
    rows = {row[0]: [float(cell) for cell in row[1:]] for row in table(CARD, "F1 of")}
    for name, said in rows.items():
        found = [
            scores[rules].mean() if "mean" in name else scores[rules][name] for rules in scores
        ]
        assert said == pytest.approx(found, abs=0.0005), name
    alike = [name for name in LABELS if scores["corrected"][name] == scores["transchex"][name]]
    assert set(LABELS) - set(rows) == set(alike)
    assert len(alike) == 6
