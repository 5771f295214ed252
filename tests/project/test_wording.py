"""No message quotes another library's error, and no logger goes round `wording.get_logger`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [
    file
    for package in ("cxr_datasets", "mimic_cxr_jpg", "indiana_cxr")
    for file in sorted((ROOT / package).rglob("*.py"))
]

OWN = {
    "cxr_datasets/wording.py",  # decides
    "cxr_datasets/builder/cached.py",  # a known beginning, and the user's own split
    "cxr_datasets/cli/command.py",  # a CxrError
    "cxr_datasets/copies/access.py",  # a CxrError
    "cxr_datasets/copies/from_source.py",  # a CxrError
    "cxr_datasets/copies/whole.py",  # of this project
    "cxr_datasets/export/manifest.py",  # a CxrError
    "cxr_datasets/images/faults.py",  # of this project
    "cxr_datasets/preview/demo.py",  # a CxrError
    "cxr_datasets/preview/notebook.py",  # a CxrError
    "cxr_datasets/push/contents.py",  # a CxrError
    "cxr_datasets/push/asking.py",  # only looked at
    "cxr_datasets/push/privacy.py",  # a CxrError
    "cxr_datasets/storage/faults.py",  # of this project; others are only looked at
    "cxr_datasets/tables/reading.py",  # only looked at
    "mimic_cxr_jpg/mimic_iv/find.py",  # a CxrError
    "mimic_cxr_jpg/release.py",  # a CxrError
    "mimic_cxr_jpg/reports/tar_members.py",  # caught again, and not told
}
"""Files that use the text of an error, and why that may be."""


def texts_of_errors(tree: ast.AST) -> list[int]:
    """Lines at which the name of a caught error is put into a text."""
    caught = {
        handler.name for handler in ast.walk(tree) if isinstance(handler, ast.ExceptHandler)
    } | {"error", "exc", "cause"}
    found = []
    for node in ast.walk(tree):
        named = None
        if isinstance(node, ast.FormattedValue):
            named = node.value
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("str", "repr"):
            named = node.args[0] if node.args else None
        elif isinstance(node, ast.Attribute) and node.attr == "strerror":
            named = node.value
        if isinstance(named, ast.BoolOp):
            named = named.values[0]
        if isinstance(named, ast.Name) and named.id in caught - {None}:
            found.append(node.lineno)
    return found


def test_the_text_of_an_error_is_used_where_its_wording_is_known_only() -> None:
    users = {
        str(file.relative_to(ROOT)) for file in FILES
        if texts_of_errors(ast.parse(file.read_text("utf-8")))
    }  # fmt: skip
    assert users == OWN


@pytest.mark.parametrize(
    "code",
    [
        "try: x()\nexcept E as fault: raise F(f'{fault}')", "f'{error!r}'", "str(error)",
        "f'{error or 1}'", "error.strerror",
    ],
)  # fmt: skip
def test_the_check_finds_such_texts(code: str) -> None:
    assert texts_of_errors(ast.parse(code))
    assert not texts_of_errors(ast.parse("f'{said(error)} {type(error).__name__}'"))


def test_every_logger_is_one_that_writes_safely() -> None:
    others = {
        "cxr_datasets/wording.py", "cxr_datasets/testing/guards.py",
        "cxr_datasets/push/asking.py",  # filters what the Hub's clients log
        "cxr_datasets/export/cluster.py",  # that the scheduler is gone, for those who debug
    }  # fmt: skip
    users = {
        str(file.relative_to(ROOT)) for file in FILES if "logging.getLogger(" in file.read_text()
    }
    assert users <= others
