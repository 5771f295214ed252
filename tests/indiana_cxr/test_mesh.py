"""The MeSH rules, one by one, on invented cells."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pyarrow as pa
import pytest

from cxr_datasets.columns import LABELS
from indiana_cxr.mesh import NO_FINDING, RULES, chexpert_labels, mesh_terms, problem_list

SplitColumn = Callable[[pa.Array], pa.ListArray]

COMBINABLE_TERMS = (
    "Cardiac Shadow/enlarged/mild",
    "Catheters, Indwelling/right",
    "Cicatrix/pleura/left",
    "Density/retrocardiac",
    "Fractures, Bone/ribs/healed",
    "Hydropneumothorax/left",
    "Mass/lung",
    "Opacity/lower lobe/lung",
    "Pericardial Effusion/small",
    "Pleural Effusion/right/small",
    "Pneumonia/upper lobe",
    "Scoliosis/mild",
)


def labels_of(*cells: str | None) -> list[dict[str, int | None]]:
    rows: list[dict[str, int | None]] = chexpert_labels(pa.array(cells, pa.string())).to_pylist()
    return rows


def positives(cell: str) -> set[str]:
    (row,) = labels_of(cell)
    assert set(row.values()) == {0, 1}
    return {label for label, value in row.items() if value == 1}


def invented_cells(count: int) -> list[list[str]]:
    """Cells of 1 to 5 terms each, the same ones in every run."""
    rng = random.Random(20)
    return [rng.sample(COMBINABLE_TERMS, rng.randint(1, 5)) for _ in range(count)]


# Terms and problems.


def test_terms_are_split_at_semicolons_and_kept_verbatim() -> None:
    cells = pa.array(["Cardiomegaly/mild;Catheters, Indwelling/right", "normal"])
    assert mesh_terms(cells).to_pylist() == [
        ["Cardiomegaly/mild", "Catheters, Indwelling/right"],
        ["normal"],
    ]


def test_blanks_round_terms_go_and_blanks_inside_them_stay() -> None:
    cells = pa.array([" Subcutaneous  Emphysema/right ; OPACITY/lung\t"])
    assert mesh_terms(cells).to_pylist() == [["Subcutaneous  Emphysema/right", "OPACITY/lung"]]


def test_a_semicolon_too_many_makes_no_empty_term() -> None:
    cells = pa.array([";Mass/lung; ;;Nodule/lung;"])
    assert mesh_terms(cells).to_pylist() == [["Mass/lung", "Nodule/lung"]]


@pytest.mark.parametrize("cell", [None, "", "  ", " ; "])
@pytest.mark.parametrize("split", [mesh_terms, problem_list])
def test_a_cell_without_terms_is_null(split: SplitColumn, cell: str | None) -> None:
    assert split(pa.array(["Mass", cell], pa.string())).to_pylist() == [["Mass"], None]


def test_problems_keep_their_wording_their_order_and_their_repeats() -> None:
    cells = pa.array(["Opacity;Catheters, Indwelling;Opacity ", "No Indexing"])
    assert problem_list(cells).to_pylist() == [
        ["Opacity", "Catheters, Indwelling", "Opacity"],
        ["No Indexing"],
    ]


@pytest.mark.parametrize("split", [mesh_terms, problem_list])
def test_the_lists_are_lists_of_strings(split: SplitColumn) -> None:
    assert split(pa.array(["Mass;Nodule"])).type == pa.list_(pa.string())
    assert split(pa.array([], pa.string())).type == pa.list_(pa.string())


# Labels: shape.


def test_labels_are_14_int8_in_the_shared_order() -> None:
    labels = chexpert_labels(pa.array(["normal"]))
    assert [(field.name, field.type) for field in labels.type] == [(n, pa.int8()) for n in LABELS]
    assert len(LABELS) == 14


def test_there_is_a_rule_for_each_label_but_no_finding() -> None:
    assert set(RULES) == set(LABELS) - {NO_FINDING}
    assert {implied for rule in RULES.values() for implied in rule.labels} <= set(RULES)


@pytest.mark.parametrize("string_type", [pa.string(), pa.large_string()])
def test_a_column_in_chunks_gives_what_the_whole_column_gives(string_type: pa.DataType) -> None:
    cells = ["Mass/lung", None, "normal;", "No Indexing", "Opacity/lung;Cardiomegaly"]
    chunked = pa.chunked_array([cells[:2], [], cells[2:]], type=string_type)
    whole = pa.array(cells, pa.string())
    assert chexpert_labels(chunked).equals(chexpert_labels(whole))
    assert mesh_terms(chunked).equals(mesh_terms(whole))


def test_a_slice_of_a_column_gives_the_slice_of_its_labels() -> None:
    whole = pa.array(["Mass/lung", None, "normal", "Cardiomegaly", "Pneumothorax"])
    assert chexpert_labels(whole[2:4]).to_pylist() == chexpert_labels(whole).to_pylist()[2:4]


def test_an_empty_column_gives_no_labels() -> None:
    assert len(chexpert_labels(pa.array([], pa.string()))) == 0


# Labels: the rules.


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("Pulmonary Atelectasis/base", {"Atelectasis", "Lung Opacity"}),
        ("Cardiomegaly/mild", {"Cardiomegaly", "Enlarged Cardiomediastinum"}),
        ("Consolidation/lung", {"Consolidation", "Lung Opacity"}),
        ("Pneumonia", {"Consolidation", "Lung Opacity", "Pneumonia"}),
        ("Pulmonary Edema", {"Edema", "Lung Opacity"}),
        ("Cardiac Shadow/enlarged", {"Enlarged Cardiomediastinum"}),
        ("Fractures, Bone/clavicle", {"Fracture"}),
        ("Nodule/lung", {"Lung Lesion", "Lung Opacity"}),
        ("Mass/mediastinum", {"Lung Lesion", "Lung Opacity"}),
        ("Opacity/lung", {"Lung Opacity"}),
        ("Density/lung", {"Lung Opacity"}),
        ("Pleural Effusion/left", {"Pleural Effusion"}),
        ("Thickening/pleura", {"Pleural Other"}),
        ("Cicatrix/pleura", {"Pleural Other"}),
        ("Pneumothorax/apex", {"Pneumothorax"}),
        ("Hydropneumothorax", {"Pneumothorax"}),
        ("Hemopneumothorax", {"Pneumothorax"}),
        ("Catheters, Indwelling", {"Support Devices"}),
        ("Implanted Medical Device", {"Support Devices"}),
        ("Medical Device/left", {"Support Devices"}),
    ],
)
def test_a_coded_finding_makes_its_labels_1_and_all_others_0(cell: str, expected: set[str]) -> None:
    assert positives(cell) == expected


@pytest.mark.parametrize(
    "cell",
    [
        "normal",
        "Scoliosis/mild",
        "Opacity/retrocardiac",
        "Opacity/lung apex",
        "Density/pleura",
        "Thickening/lung",
        "Cicatrix/lung",
        "Cardiac Shadow/obscured",
        "Lung/hyperdistention",
        "Pulmonary Artery/enlarged",
        "Pneumonia Scar",
        "Fractures/bone",
        "Device/lung;Opacity/rib",
    ],
)
def test_what_no_rule_names_is_no_finding(cell: str) -> None:
    assert positives(cell) == {NO_FINDING}


def test_the_labels_of_a_study_are_those_of_all_its_terms() -> None:
    cell = "Scoliosis;Pneumothorax/left;Medical Device;Cicatrix/pleura"
    assert positives(cell) == {"Pneumothorax", "Support Devices", "Pleural Other"}


def test_a_heading_and_a_qualifier_of_two_terms_do_not_make_a_label() -> None:
    assert positives("Opacity/rib;Scoliosis/lung") == {NO_FINDING}


@pytest.mark.parametrize(
    "cell",
    [
        "opacity/LUNG",
        " Opacity / lung ",
        "OPACITY /lung/left",
        "Opacity/left/patchy/lung",
        "Opacity/lung/left/lung",
        "Scoliosis ; Opacity/left/ lung ;",
    ],
)
def test_letter_case_blanks_and_the_order_of_qualifiers_do_not_matter(cell: str) -> None:
    assert positives(cell) == {"Lung Opacity"}


def test_runs_of_blanks_inside_a_heading_do_not_matter() -> None:
    assert positives("Pleural  Effusion; implanted\tmedical   device") == {
        "Pleural Effusion",
        "Support Devices",
    }


# Labels: the two corrections.


def test_a_pericardial_effusion_is_not_a_pleural_one() -> None:
    assert positives("Pericardial Effusion;Cardiomegaly") == {
        "Cardiomegaly",
        "Enlarged Cardiomediastinum",
    }


def test_a_pericardial_effusion_alone_is_none_of_the_13_and_so_no_finding() -> None:
    assert positives("PERICARDIAL  effusion/small") == {NO_FINDING}


@pytest.mark.parametrize(
    "cell",
    ["Pericardial Effusion;Pleural Effusion/left", "Pleural Effusion;Pericardial Effusion/small"],
)
def test_a_pleural_effusion_counts_beside_a_pericardial_one(cell: str) -> None:
    assert positives(cell) == {"Pleural Effusion"}


@pytest.mark.parametrize("cell", ["No Indexing", " no  indexing ", "NO INDEXING;", None, "", " "])
def test_a_study_that_was_not_indexed_has_14_nulls(cell: str | None) -> None:
    unknown, known = labels_of(cell, "Scoliosis")
    assert unknown == dict.fromkeys(LABELS)
    assert known[NO_FINDING] == 1


def test_not_indexed_nulls_are_in_the_fields_and_not_in_the_struct() -> None:
    labels = chexpert_labels(pa.array(["No Indexing", None]))
    assert labels.null_count == 0
    assert [labels.field(name).null_count for name in LABELS] == [2] * 14


def test_no_indexing_beside_a_code_leaves_the_study_unknown() -> None:
    assert labels_of("Mass/lung;No Indexing") == [dict.fromkeys(LABELS)]


# Labels: properties.


def test_the_order_of_terms_does_not_change_the_labels() -> None:
    for terms in invented_cells(30):
        orders = [";".join(order) for order in itertools.permutations(terms)]
        rows = labels_of(*orders)
        assert all(row == rows[0] for row in rows)


def test_a_study_has_no_finding_or_else_some_finding_never_both_or_neither() -> None:
    rows = labels_of(*(";".join(terms) for terms in invented_cells(400)))
    none_of_them = [row[NO_FINDING] == 1 for row in rows]
    some_other = [any(row[name] == 1 for name in RULES) for row in rows]
    assert none_of_them == [not other for other in some_other]
    assert set(none_of_them) == {True, False}


def test_a_further_term_never_takes_a_finding_away() -> None:
    for terms in invented_cells(60):
        fewer = positives(";".join(terms[:-1]) or "normal") - {NO_FINDING}
        assert fewer <= positives(";".join(terms))
