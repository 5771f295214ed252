"""Cases that `make test` leaves out have only values that others have too."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from random import Random

import pytest

from tests.combinations import COSTLY, cover, left_out


def test_each_value_of_each_parameter_comes_once_at_least_in_few_cases() -> None:
    cases = {f"test[{a}-{b}-{c}]": (a, b, c) for a, b, c in product("uvwxyz", range(4), "pq")}
    chosen = cover(cases)
    assert {cases[name][0] for name in chosen} == set("uvwxyz")
    assert {cases[name][1] for name in chosen} == set(range(4))
    assert {cases[name][2] for name in chosen} == set("pq")
    assert len(chosen) == 6


@pytest.mark.parametrize("seed", range(20))
def test_some_combinations_only_are_covered_too(seed: int) -> None:
    rng = Random(seed)
    every = list(product("abc", "abc", range(5)))
    cases = {str(case): case for case in rng.sample(every, rng.randint(1, len(every)))}
    chosen = cover(cases)
    for place in range(3):
        there = {case[place] for case in cases.values()}
        assert {cases[name][place] for name in chosen} == there
    assert chosen == cover(cases)


def test_a_test_of_one_parameter_keeps_all_its_cases_and_each_test_counts_for_itself() -> None:
    one = {f"a.py::test_one[{value}]": (value,) for value in range(9)}
    two = {f"a.py::test_two[{a}-{b}]": (a, b) for a, b in product("xy", "xy")}
    gone = left_out(one | two)
    assert len(gone) == 2
    assert gone < two.keys()


def test_with_an_older_version_one_case_is_enough_but_where_versions_may_differ() -> None:
    plain = {f"tests/a.py::test_a[{a}-{b}]": (a, b) for a, b in product("xy", "xyz")}
    hook = {f"tests/cxr_datasets/hooks/b.py::test_b[{value}]": (value,) for value in "xyz"}
    gone = left_out(plain | hook, one=True)
    assert gone < plain.keys()
    assert len(gone) == len(plain) - 1


def test_numbers_are_not_what_versions_differ_by_and_each_version_has_others() -> None:
    name = "tests/cxr_datasets/hooks/b.py::test_b"
    cases = {f"{name}[{call}-{seed}]": (call, seed) for call in "xy" for seed in ("-1", "2.5", "7")}
    left = [cases.keys() - left_out(cases, one=True, version=version) for version in (3, 4)]
    assert [{cases[name][0] for name in names} for names in left] == [{"x", "y"}, {"x", "y"}]
    assert [len(names) for names in left] == [2, 2]
    assert left[0] != left[1]


def test_of_a_costly_test_one_case_is_enough_and_with_each_version_another() -> None:
    cases = {f"tests/a.py::test_a[{value}]": (value,) for value in "xyz"}
    cheap = {f"tests/a.py::test_b[{value}]": (value,) for value in "xyz"}
    left = [
        (cases | cheap).keys()
        - left_out(cases | cheap, costly={"tests/a.py::test_a"}, version=version)
        for version in (3, 4, 5)
    ]
    assert all(cheap.keys() < names for names in left)
    assert [len(names) for names in left] == [4, 4, 4]
    assert set().union(*left) == cases.keys() | cheap.keys()


def test_every_costly_test_that_is_named_is_there() -> None:
    named = COSTLY.read_text("utf-8").split()
    assert named == sorted(set(named))
    root = Path(__file__).parents[2]
    # Some stand in a class that several files inherit from.
    folders = (root / "tests", root / "cxr_datasets" / "testing")
    texts = [file.read_text("utf-8") for folder in folders for file in folder.rglob("*.py")]
    tests = set(re.findall(r"def (test_\w+)\(", "\n".join(texts)))
    for name in named:
        file, *_, test = name.split("::")
        assert (root / file).is_file(), name
        assert test in tests, name
