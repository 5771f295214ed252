"""Which cases of a test with parameters are run.

A test with several parameters, such as an option, a config and a dataset, has a case for each
combination of their values. `make test` runs so many of them that each value of each parameter
comes at least once. Of the tests that costly.txt names, whose cases take long, it runs one case;
with an older `datasets` (`CXR_COMBINATIONS=one`) one case of most tests. That one case is another
with each version.

`make test-all` runs them all with the newest version (`CXR_COMBINATIONS=all`); with others each
value comes once (`CXR_COMBINATIONS=each`). What is marked `thorough` is run by it alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from pathlib import Path

WITH_EACH_VERSION = (
    "tests/cxr_datasets/hooks/", "tests/cxr_datasets/builder/test_formats.py",
    "tests/cxr_datasets/export/test_formats.py",
)  # fmt: skip
"""Tests whose values are what versions of `datasets` may differ by; but for numbers, such as a
seed, where a stream is stopped, or how many read it."""

COSTLY = Path(__file__).with_name("costly.txt")
"""Names of tests whose cases take more than a third of a second of processor time each, without
those whose cases are kinds of faults, or pages; `make costs` measures them."""


def cover(cases: Mapping[str, Sequence[Hashable]]) -> set[str]:
    """Choose cases in which each value of each parameter comes at least once.

    Args:
        cases: Name -> its value of each parameter, in the order of the parameters.

    Returns:
        The names of few such cases, always the same ones.
    """
    values = {name: set(enumerate(case)) for name, case in cases.items()}
    left = set().union(*values.values())
    chosen: set[str] = set()
    while left:
        best = max(
            (name for name in values if name not in chosen),
            key=lambda name: len(values[name] & left),
        )
        chosen.add(best)
        left -= values[best]
    return chosen


def left_out(
    cases: Mapping[str, Sequence[Hashable]],
    one: bool = False,
    costly: Collection[str] = (),
    version: int = 0,
) -> set[str]:
    """Say which cases of many tests are left out.

    Args:
        cases: Id of a case, such as `tests/test_a.py::test_b[1-x]` -> its value of each parameter.
        one: Whether one case of each test is enough, as with older versions of `datasets`: what
            other cases say of this project the newest version shows. Cases in `WITH_EACH_VERSION`
            are what these versions may differ by.
        costly: Tests of which one case is enough with any version.
        version: A number, with which it changes what that one case is.
    """
    tests: dict[str, dict[str, Sequence[Hashable]]] = defaultdict(dict)
    for name, case in cases.items():
        tests[name.partition("[")[0]][name] = case
    gone: set[str] = set()
    for test, of_it in tests.items():
        first = version % len(of_it)
        names = [*of_it][first:] + [*of_it][:first]
        if test in costly or (one and not test.startswith(WITH_EACH_VERSION)):
            gone.update(names[1:])
        elif one:
            gone |= of_it.keys() - cover({name: _without_numbers(of_it[name]) for name in names})
        else:
            gone |= of_it.keys() - cover(of_it)
    return gone


def _without_numbers(case: Sequence[Hashable]) -> list[Hashable]:
    return ["a number" if re.fullmatch(r"-?[\d.]+", str(value)) else value for value in case]
