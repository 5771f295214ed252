"""From an index to the rows of a config: which images are kept."""

from __future__ import annotations

import pyarrow as pa
import pytest

from cxr_datasets.builder.rows import keep_views
from cxr_datasets.columns import VIEWS

FRONTAL, LATERAL, OBLIQUE, UNKNOWN = range(4)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["frontal"], [True, True, False, False, False]),
        (["PA"], [True, False, False, False, False]),
        (["lateral", "AP"], [False, True, True, False, False]),
        (["unknown"], [False, False, False, False, True]),
        (["oblique"], [False, False, False, True, False]),
        (["LL", "PA"], [True, False, True, False, False]),
        (list(VIEWS), [True] * 5),
    ],
)
def test_an_image_is_kept_by_either_of_its_names(wanted: list[str], expected: list[bool]) -> None:
    view = pa.array([FRONTAL, FRONTAL, LATERAL, OBLIQUE, UNKNOWN])
    raw = pa.array(["PA", "AP", "LL", "LAO", None])
    assert keep_views(view, raw, wanted).to_pylist() == expected


def test_without_raw_names_the_normalised_ones_decide() -> None:
    view = pa.array([FRONTAL, LATERAL, UNKNOWN])
    assert keep_views(view, None, ["lateral"]).to_pylist() == [False, True, False]


def test_a_raw_name_spelt_like_a_normalised_one_is_the_same_wish() -> None:
    view = pa.array([UNKNOWN, FRONTAL])
    assert keep_views(view, pa.array(["frontal", "PA"]), ["frontal"]).to_pylist() == [True, True]
