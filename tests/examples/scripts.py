"""The scripts of `examples/`, and the commands that each says it is run by."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
SHARED = "shared"
"""The module that the others import: no script of its own."""

SCRIPTS = tuple(sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem != SHARED))
WITHOUT_PICTURE = ("slurm_export",)


def docstring(script: str) -> str:
    tree = ast.parse((EXAMPLES / f"{script}.py").read_text(encoding="utf-8"))
    return ast.get_docstring(tree) or ""


def commands(script: str) -> list[list[str]]:
    """The words of each command that the docstring shows, in their order."""
    return [
        shlex.split(line) for line in re.findall(r"^    (.+)$", docstring(script), re.MULTILINE)
    ]
