"""Which combinations of a test's parameters `make test` runs.

A test with several parameters, such as an option, a config and a dataset, has a case for each
combination of their values. `make test` runs so many of them that each value of each parameter
comes at least once; `make test-all` runs them all, as `CXR_COMBINATIONS=all make test` does. A test
with one parameter has all its cases in both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence


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


def left_out(cases: Mapping[str, Sequence[Hashable]]) -> set[str]:
    """Say which cases of many tests `make test` leaves out.

    Args:
        cases: Id of a case, such as `tests/test_a.py::test_b[1-x]` -> its value of each parameter.
    """
    tests: dict[str, dict[str, Sequence[Hashable]]] = defaultdict(dict)
    for name, case in cases.items():
        tests[name.partition("[")[0]][name] = case
    return {name for test in tests.values() for name in test.keys() - cover(test)}
