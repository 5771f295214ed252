"""The MeSH rules, one by one, on invented cells."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import OptionError
from indiana_cxr.mesh import NO_FINDING, chexpert_labels, mesh_terms, problem_list
from indiana_cxr.mesh_rules import CHEST, IN_LUNG, MESH_RULES, NO_PLACE, OUTSIDE_LUNG, VESSELS

BOTH = ("corrected", "transchex")
DEVICES = "Support Devices"

SplitColumn = Callable[[pa.Array], pa.ListArray]

COMBINABLE_TERMS = (
    "Airspace Disease/lung",
    "Cardiac Shadow/enlarged/mild",
    "Catheters, Indwelling/right",
    "Cicatrix/pleura/left",
    "Density/retrocardiac",
    "Fractures, Bone/ribs/healed",
    "Hydropneumothorax/left",
    "Mass/breast",
    "Mass/lung",
    "Mediastinum/prominent",
    "Opacity/lower lobe/lung",
    "Opacity/ribs",
    "Pericardial Effusion/small",
    "Pleural Effusion/right/small",
    "Pneumonia/upper lobe",
    "Scoliosis/mild",
    "Tube, Inserted/trachea",
)


def labels_of(*cells: str | None, rules: str = "corrected") -> list[dict[str, int | None]]:
    labels = chexpert_labels(pa.array(cells, pa.string()), rules)
    rows: list[dict[str, int | None]] = labels.to_pylist()
    return rows


def positives(cell: str, rules: str = "corrected") -> set[str]:
    (row,) = labels_of(cell, rules=rules)
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


@pytest.mark.parametrize("name", BOTH)
def test_there_is_a_rule_for_each_label_but_no_finding(name: str) -> None:
    rules = MESH_RULES[name].rules
    assert set(rules) == set(LABELS) - {NO_FINDING}
    assert {implied for rule in rules.values() for implied in rule.labels} <= set(rules)


def test_the_corrected_rules_are_the_default() -> None:
    assert tuple(MESH_RULES) == BOTH
    cells = pa.array(["Tube, Inserted", "Mass/breast", None])
    assert chexpert_labels(cells).equals(chexpert_labels(cells, "corrected"))
    assert not chexpert_labels(cells).equals(chexpert_labels(cells, "transchex"))


@pytest.mark.parametrize("rules", ["", "Corrected", None, ["transchex"]])
def test_rules_that_do_not_exist_are_refused_with_those_that_do(rules: Any) -> None:
    with pytest.raises(OptionError) as refused:
        chexpert_labels(pa.array(["normal"]), rules)
    for word in ("rules", repr(rules), *BOTH):
        assert word in str(refused.value)


def test_no_qualifier_is_in_two_lists_of_places() -> None:
    lists = (IN_LUNG, OUTSIDE_LUNG, (CHEST,), NO_PLACE)
    together = [qualifier for qualifiers in lists for qualifier in qualifiers]
    assert len(set(together)) == len(together)
    assert set(VESSELS) <= set(OUTSIDE_LUNG)
    assert together == [" ".join(qualifier.lower().split()) for qualifier in together]


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

HEART = {"Cardiomegaly", "Enlarged Cardiomediastinum"}
ALIKE = [
    ("Pulmonary Atelectasis/base", {"Atelectasis", "Lung Opacity"}),
    ("Cardiomegaly/mild", HEART),
    ("Consolidation/lung", {"Consolidation", "Lung Opacity"}),
    ("Pneumonia", {"Consolidation", "Lung Opacity", "Pneumonia"}),
    ("Pulmonary Edema", {"Edema", "Lung Opacity"}),
    ("Fractures, Bone/clavicle", {"Fracture"}),
    ("Nodule/lung", {"Lung Lesion", "Lung Opacity"}),
    ("Mass/hilum/lung", {"Lung Lesion", "Lung Opacity"}),
    ("Opacity/lung", {"Lung Opacity"}),
    ("Density/lung", {"Lung Opacity"}),
    ("Pleural Effusion/left", {"Pleural Effusion"}),
    ("Thickening/pleura", {"Pleural Other"}),
    ("Cicatrix/pleura", {"Pleural Other"}),
    ("Pneumothorax/apex", {"Pneumothorax"}),
]
"""Cells that both sets of rules read alike."""

DIFFERENT = [
    # Cell, by the corrected rules, by TransChex's.
    ("Tube, Inserted/trachea", {DEVICES, NO_FINDING}, {NO_FINDING}),
    ("Catheters, Indwelling", {DEVICES, NO_FINDING}, {DEVICES}),
    ("Implanted Medical Device", {DEVICES, NO_FINDING}, {DEVICES}),
    ("Medical Device/left", {DEVICES, NO_FINDING}, {DEVICES}),
    ("Airspace Disease/lung/base", {"Lung Opacity"}, {NO_FINDING}),
    ("Infiltrate", {"Lung Opacity"}, {NO_FINDING}),
    ("Cardiac Shadow/enlarged", HEART, {"Enlarged Cardiomediastinum"}),
    ("Cardiac Shadow/borderline/enlarged", HEART, {"Enlarged Cardiomediastinum"}),
    ("Mediastinum/prominent", {"Enlarged Cardiomediastinum"}, {NO_FINDING}),
    ("Mediastinum/right/paratracheal/enlarged", {"Enlarged Cardiomediastinum"}, {NO_FINDING}),
    ("Hydropneumothorax", {"Pneumothorax", "Pleural Effusion"}, {"Pneumothorax"}),
    ("Hemopneumothorax/left", {"Pneumothorax", "Pleural Effusion"}, {"Pneumothorax"}),
    ("Hemothorax/left", {"Pleural Effusion"}, {NO_FINDING}),
    ("Calcinosis/pleura/base", {"Pleural Other"}, {NO_FINDING}),
    ("Opacity", {"Lung Opacity"}, {NO_FINDING}),
    ("Opacity/left/multiple/small", {"Lung Opacity"}, {NO_FINDING}),
    ("Opacity/retrocardiac", {"Lung Opacity"}, {NO_FINDING}),
    ("Opacity/base", {"Lung Opacity"}, {NO_FINDING}),
    ("Opacity/pulmonary alveoli/diffuse", {"Lung Opacity"}, {NO_FINDING}),
    ("Opacity/thorax/posterior", {"Lung Opacity"}, {NO_FINDING}),
    ("Opacity/pleura/upper lobe", {"Lung Opacity"}, {NO_FINDING}),
    ("Density/costophrenic angle/round", {"Lung Opacity"}, {NO_FINDING}),
    ("Density/upper lobe", {"Lung Opacity"}, {NO_FINDING}),
    ("Nodule/breast", {NO_FINDING}, {"Lung Lesion", "Lung Opacity"}),
    ("Nodule/heart/left", {NO_FINDING}, {"Lung Lesion", "Lung Opacity"}),
    ("Nodule/pleura/apex", {NO_FINDING}, {"Lung Lesion", "Lung Opacity"}),
    ("Mass/mediastinum", {NO_FINDING}, {"Lung Lesion", "Lung Opacity"}),
    ("Mass/thorax/left", {NO_FINDING}, {"Lung Lesion", "Lung Opacity"}),
]


@pytest.mark.parametrize("rules", BOTH)
@pytest.mark.parametrize(("cell", "expected"), ALIKE)
def test_a_coded_finding_makes_its_labels_1_and_all_others_0(
    cell: str, expected: set[str], rules: str
) -> None:
    assert positives(cell, rules) == expected


@pytest.mark.parametrize(("cell", "corrected", "transchex"), DIFFERENT)
def test_the_two_sets_of_rules_differ_where_the_card_says(
    cell: str, corrected: set[str], transchex: set[str]
) -> None:
    assert (positives(cell), positives(cell, "transchex")) == (corrected, transchex)


@pytest.mark.parametrize("rules", BOTH)
@pytest.mark.parametrize(
    "cell",
    [
        "normal",
        "Scoliosis/mild",
        "Opacity/ribs",
        "Opacity/thoracic vertebrae",
        "Opacity/mediastinum/base",
        "Density/pleura",
        "Density/sternum",
        "Density/breast",
        "Density/adipose tissue/posterior/small",
        "Density/thorax/left",
        "Thickening/lung",
        "Cicatrix/lung",
        "Calcinosis/lung/lymph nodes",
        "Calcified Granuloma/lung",
        "Cardiac Shadow/obscured",
        "Cardiac Shadow/prominent",
        "Costophrenic Angle/blunted",
        "Pleura/blunted",
        "Mediastinum/lymph nodes/enlarged",
        "Mediastinum/blood vessels/prominent",
        "Mediastinum/aorta/enlarged",
        "Mediastinum/shifted",
        "Lymph Nodes/enlarged",
        "Lung/hyperdistention",
        "Pulmonary Artery/enlarged",
        "Pneumonia Scar",
        "Fractures/bone",
        "Device/lung;Opacity/ribs",
        "Infiltrates of nothing",
    ],
)
def test_what_no_rule_names_is_no_finding(cell: str, rules: str) -> None:
    assert positives(cell, rules) == {NO_FINDING}


PLACED = ("Opacity", "Density", "Nodule", "Mass")
"""Headings whose place counts."""


def in_lung(terms: list[str]) -> set[bool]:
    return {row["Lung Opacity"] == 1 for row in labels_of(*terms)}


def test_each_place_outside_the_lung_takes_a_heading_out_of_it_unless_one_inside_is_named() -> None:
    outside = [f"{heading}/left/{place}" for heading in PLACED for place in OUTSIDE_LUNG]
    assert in_lung(outside) == {False}
    assert in_lung([f"{term}/{inside}" for term in outside for inside in IN_LUNG]) == {True}


def test_what_names_no_place_and_what_no_list_has_leave_a_heading_in_the_lung() -> None:
    qualifiers = (*NO_PLACE, *IN_LUNG, "a word of no list")
    terms = [f"{heading}/{qualifier}" for heading in PLACED for qualifier in qualifiers]
    assert in_lung(terms) == {True}


def test_the_chest_is_the_lung_for_opacities_and_nodules_and_not_for_densities_and_masses() -> None:
    found = {heading: "Lung Opacity" in positives(f"{heading}/{CHEST}/right")
             for heading in ("Opacity", "Nodule", "Density", "Mass")}  # fmt: skip
    assert found == {"Opacity": True, "Nodule": True, "Density": False, "Mass": False}


def test_the_labels_of_a_study_are_those_of_all_its_terms() -> None:
    cell = "Scoliosis;Pneumothorax/left;Medical Device;Cicatrix/pleura"
    for rules in BOTH:
        assert positives(cell, rules) == {"Pneumothorax", DEVICES, "Pleural Other"}


def test_a_heading_and_a_qualifier_of_two_terms_do_not_make_a_label() -> None:
    assert positives("Opacity/ribs;Scoliosis/lung") == {NO_FINDING}
    assert positives("Mediastinum/left;Cardiac Shadow/prominent") == {NO_FINDING}
    assert positives("Opacity/left;Scoliosis/ribs") == {"Lung Opacity"}


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


def test_runs_of_blanks_inside_a_heading_or_a_qualifier_do_not_matter() -> None:
    cell = "Pleural  Effusion; implanted\tmedical   device;Opacity / Thoracic  VERTEBRAE "
    assert positives(cell) == {"Pleural Effusion", DEVICES}


def test_support_devices_do_not_take_no_finding_away_by_the_corrected_rules_alone() -> None:
    assert positives("Scoliosis;Tube, Inserted;Medical Device") == {DEVICES, NO_FINDING}
    assert positives("Pneumothorax;Tube, Inserted") == {DEVICES, "Pneumothorax"}
    assert positives("Scoliosis;Medical Device", "transchex") == {DEVICES}


# Labels: two corrections in both sets of rules.


def test_a_pericardial_effusion_is_not_a_pleural_one() -> None:
    assert positives("Pericardial Effusion;Cardiomegaly") == {
        "Cardiomegaly",
        "Enlarged Cardiomediastinum",
    }


def test_a_pericardial_effusion_alone_is_none_of_the_13_and_so_no_finding() -> None:
    for rules in BOTH:
        assert positives("PERICARDIAL  effusion/small", rules) == {NO_FINDING}


@pytest.mark.parametrize(
    "cell",
    ["Pericardial Effusion;Pleural Effusion/left", "Pleural Effusion;Pericardial Effusion/small"],
)
def test_a_pleural_effusion_counts_beside_a_pericardial_one(cell: str) -> None:
    assert positives(cell) == {"Pleural Effusion"}


@pytest.mark.parametrize("rules", BOTH)
@pytest.mark.parametrize("cell", ["No Indexing", " no  indexing ", "NO INDEXING;", None, "", " "])
def test_a_study_that_was_not_indexed_has_14_nulls(cell: str | None, rules: str) -> None:
    unknown, known = labels_of(cell, "Scoliosis", rules=rules)
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


@pytest.mark.parametrize(("rules", "beside"), [("corrected", {DEVICES}), ("transchex", set())])
def test_a_study_has_no_finding_or_else_some_finding_never_both_or_neither(
    rules: str, beside: set[str]
) -> None:
    rows = labels_of(*(";".join(terms) for terms in invented_cells(400)), rules=rules)
    none_of_them = [row[NO_FINDING] == 1 for row in rows]
    findings = set(LABELS) - {NO_FINDING} - beside
    some_other = [any(row[name] == 1 for name in findings) for row in rows]
    assert none_of_them == [not other for other in some_other]
    assert set(none_of_them) == {True, False}


def test_a_further_term_never_takes_a_finding_away() -> None:
    cells = invented_cells(60)
    fewer = labels_of(*(";".join(terms[:-1]) or "normal" for terms in cells))
    more = labels_of(*(";".join(terms) for terms in cells))
    for few, many in zip(fewer, more, strict=True):
        assert all(many[name] == 1 for name in LABELS if few[name] == 1 and name != NO_FINDING)
