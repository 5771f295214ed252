"""SECURITY.md promises nothing that no test shows."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.project.files import CHECKOUT, read

PROMISES = [
    (promise.strip(), re.findall(r"`(tests/[^`]+)`", tests))
    for promise, tests in re.findall(r"^\| ([^|]+)\|([^|]+)\|$", read("SECURITY.md"), re.MULTILINE)
    if promise.strip() not in ("promise",) and not promise.startswith("-")
]


@cache
def defined(file: str) -> frozenset[str]:
    """Functions of a module, and methods of its classes as `Class.method`."""
    names = set()
    for thing in ast.parse((CHECKOUT / file).read_text(encoding="utf-8")).body:
        if isinstance(thing, ast.FunctionDef):
            names.add(thing.name)
        if isinstance(thing, ast.ClassDef):
            names |= {
                f"{thing.name}.{m.name}" for m in thing.body if isinstance(m, ast.FunctionDef)
            }
    return frozenset(names)


def test_promises_are_found() -> None:
    assert len(PROMISES) > 15


@pytest.mark.parametrize(("promise", "tests"), PROMISES, ids=[text[:40] for text, _ in PROMISES])
def test_a_promise_names_tests_that_there_are(promise: str, tests: list[str]) -> None:
    assert tests
    for test in tests:
        file, _, name = test.partition("::")
        assert name in defined(file), test
