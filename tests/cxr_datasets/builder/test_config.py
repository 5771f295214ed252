"""The options of a dataset: what they say of themselves, and the names of views."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

import datasets
import numpy as np
import pytest

import mimic_cxr_jpg  # noqa: F401  (registers the builder)
from cxr_datasets.builder.config import CxrConfig, check_views, option_help
from cxr_datasets.columns import VIEWS
from cxr_datasets.errors import CxrError, OptionError

RAW = ("PA", "AP", "LL")


@dataclass
class ExtendedConfig(CxrConfig):
    quality: str | None = field(default=None, metadata={"help": "Keep only images so good."})
    internal: int = 0


def test_every_shared_option_has_its_help_in_the_order_of_the_fields() -> None:
    plain = {option.name for option in fields(datasets.BuilderConfig)}
    own = [option.name for option in fields(CxrConfig) if option.name not in plain]
    assert list(option_help(CxrConfig)) == own


def test_an_option_of_the_dataset_follows_and_one_without_help_is_left_out() -> None:
    described = option_help(ExtendedConfig)
    assert list(described) == [*option_help(CxrConfig), "quality"]
    assert described["quality"] == "Keep only images so good."


def test_help_is_one_or_two_plain_sentences() -> None:
    for name, text in option_help(CxrConfig).items():
        assert "`" not in text, name
        assert text.endswith("."), name
        assert 1 <= text.count(". ") + 1 <= 2, name


# views


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


# numbers


@pytest.mark.parametrize(
    "numbers",
    [
        {"image_size": 32}, {"connections": 2}, {"priors": 1}, {"split_by": "patient", "seed": 3},
        {"split_by": "patient", "folds": 4, "fold": 2},
    ],
    ids=lambda numbers: " and ".join(numbers),
)  # fmt: skip
def test_numbers_of_numpy_are_those_of_python_in_the_cache_too(
    numbers: dict[str, object], small_release: Path, cache: str
) -> None:
    def folder(kind: type) -> str:
        given = {k: kind(v) if isinstance(v, int) else v for k, v in numbers.items()}
        where = {"data_dir": str(small_release), "cache_dir": cache}
        return datasets.load_dataset_builder("mimic_cxr_jpg", **where, **given).cache_dir

    assert folder(np.int64) == folder(np.uint8) == folder(int)
