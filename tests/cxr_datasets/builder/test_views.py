"""The option `views` keeps the images asked for and names the right values of a wrong one."""

from __future__ import annotations

import pyarrow as pa
import pytest

from cxr_datasets.builder.views import check_views, keep_views
from cxr_datasets.columns import VIEWS
from cxr_datasets.errors import CxrError, OptionError

RAW = ("PA", "AP", "LL")
FRONTAL, LATERAL, OBLIQUE, UNKNOWN = range(4)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("frontal", ["frontal"]),
        (["frontal"], ["frontal"]),
        (("PA",), ["PA"]),
        (["lateral", "frontal", "lateral"], ["frontal", "lateral"]),
        (["LL", "unknown", "PA"], ["unknown", "PA", "LL"]),
        ({"AP", "PA"}, ["PA", "AP"]),
        (list(VIEWS), list(VIEWS)),
    ],
)
def test_names_are_put_in_one_order_so_that_they_make_one_cache_entry(
    given: object, expected: list[str]
) -> None:
    assert check_views(given, RAW) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["Frontal", "pa", "", "LATERAL", "PA ", None, 1])
def test_an_unknown_name_is_an_error_that_lists_the_right_ones(wrong: object) -> None:
    with pytest.raises(OptionError) as caught:
        check_views(["frontal", wrong], RAW)  # type: ignore[list-item]
    for name in (repr(wrong), *VIEWS, *RAW):
        assert name in str(caught.value)
    assert isinstance(caught.value, (CxrError, ValueError))


def test_raw_names_of_another_dataset_are_unknown() -> None:
    with pytest.raises(OptionError, match=r"views='PA' .* 'unknown'\."):
        check_views(["PA"], ())


@pytest.mark.parametrize("empty", [[], (), set()])
def test_no_names_are_an_error_and_not_all_images(empty: object) -> None:
    with pytest.raises(OptionError, match="views is empty"):
        check_views(empty, RAW)  # type: ignore[arg-type]


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
