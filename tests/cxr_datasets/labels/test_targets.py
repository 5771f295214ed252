"""Targets: what each value of a label becomes is said by the caller, and nothing else changes."""

from __future__ import annotations

import itertools
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import OptionError
from cxr_datasets.labels import (
    CHEXPERT_BEST,
    COMPETITION_5,
    PARENTS,
    U_IGNORE,
    U_MULTICLASS,
    U_ONES,
    U_ZEROS,
    label_matrix,
    to_targets,
)

NAN = np.nan


def slow(rows: list[Any]) -> np.ndarray:
    """Labels as a matrix, cell by cell."""
    cells = [[(row or {}).get(name) for name in LABELS] for row in rows]
    return np.array([[NAN if cell is None else cell for cell in row] for row in cells], np.float32)


def struct(**labels: Any) -> dict[str, Any]:
    """A row's labels; `_` stands for a space, and what is left out is null."""
    given = {name.replace("_", " "): value for name, value in labels.items()}
    assert set(given) <= set(LABELS)
    return {name: given.get(name) for name in LABELS}


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return np.array_equal(a, b, equal_nan=True)


# --- the forms that labels have -------------------------------------------------------------------


@pytest.mark.parametrize("config", ["mimic", "studies", "indiana"])
def test_labels_are_taken_in_every_form_in_which_they_are_loaded(
    config: str, request: pytest.FixtureRequest
) -> None:
    loaded = request.getfixturevalue(config)
    split = loaded if isinstance(loaded, datasets.Dataset) else loaded["train"]
    rows = split.select_columns(["labels"]).with_format("arrow")[:]["labels"]
    expected = slow(rows.to_pylist())
    assert np.isfinite(expected).any()
    light = split.select_columns(["labels"])
    batch = light[:]["labels"]
    forms = [split, light["labels"], batch, rows, rows.combine_chunks(), expected]
    forms += [tuple(batch), iter(batch), light.with_format("numpy")[:]["labels"]]
    forms += [pd.DataFrame(expected, columns=list(LABELS))]
    forms += [pd.DataFrame(expected, columns=list(LABELS)).astype("Int8")]
    for form in forms:
        assert same(label_matrix(form), expected), type(form)
    assert label_matrix(split).dtype == np.float32


def test_a_selection_and_a_shuffle_of_rows_keep_their_own_labels(mimic: Any) -> None:
    split = mimic["train"].shuffle(seed=3).select(range(5))
    rows = split.select_columns(["labels"])[:]["labels"]
    assert same(label_matrix(split), slow(list(rows)))
    assert same(label_matrix(split["labels"]), slow(list(rows)))


def test_batches_of_map_become_targets(mimic: Any) -> None:
    def targets(labels: Any) -> dict[str, Any]:
        values, mask = to_targets(labels, COMPETITION_5, **U_ONES)
        return {"target": values, "counts": mask}

    light = mimic["test"].select_columns(["labels"])
    mapped = light.map(targets, input_columns="labels", batched=True, batch_size=2)
    values, mask = to_targets(light, COMPETITION_5, **U_ONES)
    assert np.array_equal(np.array(mapped["target"][:], np.float32), values)
    assert np.array_equal(np.array(mapped["counts"][:]), mask)


def test_a_data_frame_of_floats_stays_as_it_is() -> None:
    table = pd.DataFrame(slow([struct(Edema=-1), struct(Edema=1)]), columns=list(LABELS))
    before = table.copy()
    values, mask = to_targets(table, uncertain="ones", unmentioned="zeros")
    assert values[:, LABELS.index("Edema")].tolist() == [1, 1]
    assert mask.all()
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize(
    "nothing",
    [[], np.zeros((0, 14)), pa.array([], pa.struct([(name, pa.int8()) for name in LABELS]))],
)
def test_no_rows_give_empty_targets(nothing: Any) -> None:
    values, mask = to_targets(nothing)
    assert values.shape == mask.shape == (0, 14)
    assert (values.dtype, mask.dtype) == (np.float32, bool)


def test_a_struct_that_is_null_mentions_nothing_whatever_lies_beneath_it() -> None:
    columns = [pa.array([1, 1], pa.int8()) for _ in LABELS]
    hidden = pa.StructArray.from_arrays(columns, LABELS, mask=pa.array([False, True]))
    assert same(label_matrix(hidden), np.array([[1] * 14, [NAN] * 14], np.float32))
    assert same(label_matrix([None, None]), np.full((2, 14), NAN, np.float32))


# --- policies -------------------------------------------------------------------------------------

ALL_VALUES = np.array([[1], [0], [-1], [NAN]], np.float32)
BECOMES = {"zeros": (0, True), "ones": (1, True), "ignore": (0, False)}


@pytest.mark.parametrize(
    ("uncertain", "unmentioned"),
    [*itertools.product(["zeros", "ones", "ignore", "keep"], repeat=2)],
)
def test_each_policy_does_to_each_value_what_it_says(uncertain: Any, unmentioned: Any) -> None:
    values, mask = to_targets(ALL_VALUES, ["Edema"], uncertain, unmentioned)
    of_uncertain = BECOMES.get(uncertain, (-1, True))
    of_blank = BECOMES.get(unmentioned, (NAN, True))
    expected = [(1, True), (0, True), of_uncertain, of_blank]
    assert same(values[:, 0], np.array([value for value, _ in expected], np.float32))
    assert mask[:, 0].tolist() == [counts for _, counts in expected]


def test_a_call_that_says_nothing_masks_both_and_makes_no_blank_negative() -> None:
    values, mask = to_targets(ALL_VALUES, ["Edema"])
    assert mask[:, 0].tolist() == [True, True, False, False]
    assert values[mask].tolist() == [1, 0]


def test_a_label_can_have_policies_of_its_own() -> None:
    labels = np.repeat(ALL_VALUES, 3, axis=1)
    values, mask = to_targets(
        labels, ["Edema", "Fracture", "Pneumonia"], uncertain="zeros",
        per_label={"Edema": "ones", "Pneumonia": {"unmentioned": "keep", "uncertain": "keep"}},
    )  # fmt: skip
    assert values[2].tolist() == [1, 0, -1]
    assert mask[2].tolist() == [True, True, True]
    assert mask[3].tolist() == [False, False, True]
    assert np.isnan(values[3, 2])


@pytest.mark.parametrize(
    ("preset", "of_uncertain"),
    [(U_IGNORE, None), (U_ZEROS, 0), (U_ONES, 1), (U_MULTICLASS, -1)],
)
def test_named_ways_are_those_of_the_paper(preset: Any, of_uncertain: float | None) -> None:
    values, mask = to_targets(ALL_VALUES, ["Edema"], **preset)
    assert (values[3, 0], mask[3, 0]) == (0, True)  # the paper takes blank for negative
    assert mask[2, 0] == (of_uncertain is not None)
    assert not mask[2, 0] or values[2, 0] == of_uncertain


def test_the_best_mix_treats_each_label_of_the_competition_as_the_paper_does() -> None:
    labels = np.full((1, 5), -1, np.float32)
    values, mask = to_targets(labels, COMPETITION_5, **CHEXPERT_BEST)
    assert dict(zip(COMPETITION_5, values[0].tolist(), strict=True)) == {
        "Atelectasis": 1,
        "Cardiomegaly": -1,
        "Consolidation": 0,
        "Edema": 1,
        "Pleural Effusion": -1,
    }
    assert mask[0].tolist() == [True, True, False, True, True]


def test_labels_come_in_the_order_asked_for(mimic: Any) -> None:
    names = ["Pneumonia", "Atelectasis"]
    matrix = label_matrix(mimic["train"])
    expected = matrix[:, [LABELS.index(name) for name in names]]
    assert same(label_matrix(mimic["train"], names), expected)
    whole, part = to_targets(mimic["train"]), to_targets(mimic["train"], names)
    assert np.array_equal(part.mask, whole.mask[:, [LABELS.index(name) for name in names]])


def test_neither_rows_nor_arrays_that_are_given_change() -> None:
    labels = np.repeat(ALL_VALUES, 14, axis=1)
    before = labels.copy()
    to_targets(labels, hierarchy=True, **U_ONES)
    assert same(labels, before)


# --- what labels say of others --------------------------------------------------------------------


def completed(**labels: Any) -> dict[str, float]:
    """What is told of one row after its labels were completed."""
    values, mask = to_targets([struct(**labels)], uncertain="keep", hierarchy=True)
    return {name: values[0, at] for at, name in enumerate(LABELS) if mask[0, at]}


@pytest.mark.parametrize("kind", PARENTS)
def test_a_kind_that_is_positive_makes_the_wider_label_positive_whatever_it_says(kind: str) -> None:
    name = kind.replace(" ", "_")
    wider = PARENTS[kind].replace(" ", "_")
    for value in (None, 0, -1, 1):
        assert completed(**{name: 1, wider: value}) == {kind: 1, PARENTS[kind]: 1}
    assert completed(**{name: -1}) == {kind: -1, PARENTS[kind]: -1}
    assert completed(**{name: -1, wider: 0})[PARENTS[kind]] == 0
    assert completed(**{name: 0}) == {kind: 0}


def test_a_wider_label_that_is_negative_makes_its_unmentioned_kinds_negative() -> None:
    told = completed(Lung_Opacity=0, Edema=-1)
    assert told == {
        "Lung Opacity": 0, "Edema": -1,
        **dict.fromkeys(("Atelectasis", "Consolidation", "Lung Lesion", "Pneumonia"), 0),
    }  # fmt: skip


def test_no_finding_never_silences_support_devices() -> None:
    told = completed(No_Finding=1, Fracture=-1)
    assert "Support Devices" not in told
    assert told["Fracture"] == -1  # nor what the report states
    assert all(
        told[name] == 0
        for name in LABELS
        if name not in ("No Finding", "Fracture", "Support Devices")
    )
    assert completed(No_Finding=1, Support_Devices=1)["Support Devices"] == 1


def test_without_the_option_no_label_says_anything_of_another(mimic: Any) -> None:
    matrix = label_matrix(mimic["train"])
    values, mask = to_targets(mimic["train"], uncertain="keep")
    assert np.array_equal(mask, ~np.isnan(matrix))
    assert np.array_equal(values[mask], matrix[mask])


def test_labels_are_completed_by_all_14_though_few_are_asked_for() -> None:
    rows = [struct(Edema=1)]
    values, mask = to_targets(rows, ["Lung Opacity"], hierarchy=True)
    assert (values.tolist(), mask.tolist()) == ([[1]], [[True]])


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"uncertain": "one"}, r"policy for uncertain labels='one' .* 'zeros', 'ones'"),
        ({"unmentioned": "nan"}, r"policy for unmentioned labels='nan'"),
        ({"per_label": {"Edma": "ones"}}, r"label='Edma' is not known.*'Edema'"),
        ({"per_label": {"Edema": {"blank": "ones"}}}, r"per_label\['Edema'\]='blank'"),
        ({"names": ["Effusion"]}, r"label='Effusion' is not known"),
        ({"names": "Edema"}, r"Give a list of labels: \['Edema'\]"),
        ({"names": []}, r"one label or more"),
        ({"names": ["Edema", "Edema"]}, r"none twice"),
    ],
)  # fmt: skip
def test_an_option_that_does_not_exist_names_those_that_do(arguments: Any, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        to_targets([struct()], **arguments)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (np.zeros((2, 5)), r"shape \(2, 5\); expected \(n, 14\)"),
        (np.array([[0.5] + [0] * 13]), r"Atelectasis of row 0 is 0\.5; expected 1, 0, -1 or"),
        ([{"Atelectasis": 2}], r"lacks Cardiomegaly"),
        (pd.DataFrame({"Edema": [1]}), r"data frame of labels lacks Atelectasis"),
        (None, "labels is a NoneType"),
        ("labels", "labels is a str"),
        ([1, 0], "labels is a list"),
        (
            datasets.Dataset.from_dict({"label": [1]}),
            r"no column labels; its columns",
        ),
    ],
)
def test_what_holds_no_labels_is_refused_with_what_was_expected(labels: Any, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        to_targets(labels)
