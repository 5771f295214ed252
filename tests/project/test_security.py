"""SECURITY.md promises nothing that no test shows."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.project.files import CHECKOUT, read

PROMISES = [
    (promise.strip(), re.findall(r"`(\w+)`", tests))
    for promise, tests in re.findall(r"^\| ([^|]+)\|([^|]+)\|$", read("SECURITY.md"), re.MULTILINE)
    if promise.strip() != "promise"
]


@cache
def defined() -> frozenset[str]:
    """Names of all tests, and of the fixtures that check something around each."""
    return frozenset(
        thing.name
        for file in (CHECKOUT / "tests").rglob("*.py")
        for thing in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(thing, ast.FunctionDef)
        and (thing.name.startswith("test_") or "autouse=True" in decorators(thing))
    )


def decorators(function: ast.FunctionDef) -> str:
    return " ".join(ast.unparse(decorator) for decorator in function.decorator_list)


def test_promises_are_found() -> None:
    assert len(PROMISES) > 15


@pytest.mark.parametrize(("promise", "tests"), PROMISES, ids=[text[:40] for text, _ in PROMISES])
def test_a_promise_names_tests_that_there_are(promise: str, tests: list[str]) -> None:
    assert tests
    assert set(tests) <= defined(), promise
