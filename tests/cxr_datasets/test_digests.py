"""Hashes: which of them protect something."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import cxr_datasets
from cxr_datasets.digests import short_digest

CHECKOUT = Path(cxr_datasets.__file__).parents[1]
PACKAGES = ("cxr_datasets", "indiana_cxr", "mimic_cxr_jpg")

PROVE = {
    "cxr_datasets/copies/archive.py": "the tables in an archive, as they were published",
    "cxr_datasets/audit.py": "a list of ids, to an auditor",
    "cxr_datasets/export/forms/documents.py": "a task file, which others may have changed",
    "cxr_datasets/export/forms/task.py": "an image beside a task file, while it is written",
    "cxr_datasets/export/line.py": "a file of an export that another run wrote",
    "cxr_datasets/export/manifest.py": "the list of an export's files, to an auditor",
    "cxr_datasets/export/proof.py": "a file of an export",
    "cxr_datasets/export/seal.py": "the card of an export, which others may have changed",
    "cxr_datasets/export/sinks.py": "a file of an export, while it is written",
    "cxr_datasets/copies/checksums.py": "a file of a copy",
    "cxr_datasets/copies/contents.py": "a file of a copy in a store",
    "cxr_datasets/copies/exported.py": "a file of a pushed copy",
    "cxr_datasets/copies/released.py": "the list of a copy's checksums, to an auditor",
    "cxr_datasets/push/contents.py": "what is sent to the Hub",
    "mimic_cxr_jpg/synthetic/release.py": "the files of an invented release",
}
"""Modules whose hashes prove that something is what it was."""


def hashes(file: Path) -> list[ast.Call]:
    code = file.read_text(encoding="utf-8")
    return [
        node
        for node in (ast.walk(ast.parse(code)) if "hashlib" in code else ())
        if isinstance(node, ast.Call) and re.fullmatch(r"hashlib\.\w+", ast.unparse(node.func))
    ]


def test_a_hash_that_protects_nothing_says_so() -> None:
    """Where security is strict, Python makes no other by an algorithm that is not approved."""
    proving = set()
    for package in PACKAGES:
        for file in (CHECKOUT / package).rglob("*.py"):
            name = file.relative_to(CHECKOUT).as_posix()
            for call in hashes(file):
                said = {word.arg: ast.unparse(word.value) for word in call.keywords}
                if said.get("usedforsecurity") != "False":
                    assert name in PROVE, f"{name}, line {call.lineno}"
                    proving.add(name)
    assert proving == set(PROVE)


def test_a_short_digest_has_so_many_digits_and_differs() -> None:
    assert len(short_digest(b"a")) == 16
    assert short_digest(b"a", 8) == short_digest(b"a")[:8] != short_digest(b"b", 8)
