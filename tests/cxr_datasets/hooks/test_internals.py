"""What we change in other libraries, and what we rely on in `datasets`, is listed and there."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import datasets
import pytest
from packaging.specifiers import SpecifierSet

import cxr_datasets
import indiana_cxr
import mimic_cxr_jpg
from cxr_datasets.builder import CxrBuilder, CxrConfig
from cxr_datasets.hooks import HOOKS
from cxr_datasets.hooks.internals import INTERNALS
from cxr_datasets.hooks.selection import PASS_ROWS_ON
from cxr_datasets.hooks.shuffling import PASS_SHUFFLES_ON
from cxr_datasets.hooks.streaming import RowsAhead, ShardsAhead
from cxr_datasets.images.column import XrayImage
from tests.helpers import run_python

ROOT = Path(__file__).parents[3]

CHANGED_BY_THE_IMPORT = """
import importlib, sys
import cxr_datasets.hooks, cxr_datasets.builder, datasets.inspect
import fsspec.implementations.http, huggingface_hub.hf_file_system, PIL.ImageFile
import pyarrow.csv, pyarrow.parquet

LIBRARIES = ("PIL", "aiohttp", "datasets", "fsspec", "huggingface_hub", "numpy", "pyarrow")

def members():
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in LIBRARIES:
            for attribute, value in list(vars(module).items()):
                yield f"{name}.{attribute}", value
                if isinstance(value, type) and value.__module__ == name:
                    for inner, member in vars(value).items():
                        yield f"{name}.{attribute}.{inner}", member

before = dict(members())
import indiana_cxr, mimic_cxr_jpg
after = dict(members())
print(*sorted(name for name in before if before[name] is not after.get(name)), sep="\\n")
"""


def test_the_table_lists_exactly_what_an_import_changes(tmp_path: Path) -> None:
    done = run_python(CHANGED_BY_THE_IMPORT, cwd=tmp_path, pythonpath=ROOT, forked=True)
    assert done.returncode == 0, done.stderr
    expected = [hook for hook in HOOKS if datasets.__version__ in SpecifierSet(hook.versions)]
    assert done.stdout.split() == sorted(hook.target for hook in expected)


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.target)
def test_a_row_of_the_table_is_complete_and_its_test_exists(hook: Any) -> None:
    assert all(value for name, value in vars(hook).items() if name != "versions")
    file, _, test = hook.noticed_by.partition("::")
    assert re.search(rf"^def {test}\(", (ROOT / file).read_text(), re.MULTILINE)


def test_every_name_that_we_rely_on_is_in_the_installed_datasets() -> None:
    expected = [name for name in INTERNALS if datasets.__version__ in SpecifierSet(name.versions)]
    lost = [internal for internal in expected if not exists(internal.name)]
    report = "\n".join(f"{internal.name}, used in {internal.used_in}" for internal in lost)
    assert not lost, f"datasets {datasets.__version__} has lost what we rely on:\n{report}"


@pytest.mark.parametrize(
    "name",
    [
        "datasets.nowhere:load",
        "datasets.load:nothing",
        "datasets.builder:DatasetBuilder.nothing",
        "datasets.builder:DatasetBuilder._file_forma",
        "datasets.load:load_dataset(nothing)",
        "datasets.builder:DatasetBuilder.nothing(value)",
    ],
)
def test_a_name_that_is_not_there_is_found_out(name: str) -> None:
    assert not exists(name)


def test_each_name_is_listed_once_and_its_user_exists() -> None:
    names = [internal.name for internal in INTERNALS]
    assert len(set(names)) == len(names)
    for internal in INTERNALS:
        assert (ROOT / "cxr_datasets" / internal.used_in).is_file(), internal


def test_every_name_taken_from_a_module_of_datasets_is_listed() -> None:
    listed = {without_parameter(internal.name) for internal in INTERNALS}
    taken = {
        name
        for package in (cxr_datasets, indiana_cxr, mimic_cxr_jpg)
        for file in Path(str(package.__file__)).parent.rglob("*.py")
        for name in taken_from_modules(file.read_text())
    }
    assert len(taken) >= 5
    for name in taken:
        assert any(entry == name or entry.startswith(f"{name}.") for entry in listed), name


@pytest.mark.parametrize("kind", [CxrBuilder, CxrConfig, RowsAhead, ShardsAhead, XrayImage])
def test_every_override_is_listed(kind: type) -> None:
    listed = {without_parameter(internal.name).partition(":")[2] for internal in INTERNALS}
    for name, owners in overridden(kind).items():
        assert listed & {f"{owner.__name__}.{name}" for owner in owners}, name


def test_every_step_of_a_stream_that_passes_rows_on_is_listed() -> None:
    listed = {internal.name for internal in INTERNALS}
    assert {
        f"datasets.iterable_dataset:{step}.ex_iterable" for step in PASS_ROWS_ON | PASS_SHUFFLES_ON
    } <= listed


def exists(name: str) -> bool:
    """Whether the installed libraries have what an `Internal` names."""
    path, _, parameter = name.removesuffix(")").partition("(")
    module, _, attributes = path.partition(":")
    if importlib.util.find_spec(module) is None:
        return False
    found: Any = importlib.import_module(module)
    for attribute in attributes.split("."):
        if not hasattr(found, attribute):
            return not parameter and attribute in attributes_of_instances(found)
        found = getattr(found, attribute)
    return not parameter or parameter in inspect.signature(found).parameters


@cache
def attributes_of_instances(kind: Any) -> set[str]:
    """Fields of a class, and what its methods and those of its bases assign."""
    found: set[str] = set()
    for base in inspect.getmro(kind) if isinstance(kind, type) else ():
        if base.__module__.partition(".")[0] != "datasets":  # of Python, or of torch
            continue
        found |= set(inspect.get_annotations(base))
        for line in source_of(base):
            target, assigned, _ = line.partition(" = ")
            found |= set(re.findall(r"\bself\.(\w+)", target)) if assigned else set()
    return found


def source_of(kind: type) -> list[str]:
    """The lines of a class, as `inspect.getsource`, which parses its module for each of them."""
    lines, places = classes_in(str(inspect.getsourcefile(kind)))
    first, last = places[kind.__name__]
    return lines[first - 1 : last]


@cache
def classes_in(file: str) -> tuple[list[str], dict[str, tuple[int, int]]]:
    """The lines of a file, and where in them each of its classes begins and ends."""
    source = Path(file).read_text("utf-8")
    found = {
        node.name: (node.lineno, node.end_lineno or node.lineno)
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef)
    }
    return source.splitlines(), found


def without_parameter(name: str) -> str:
    return name.partition("(")[0].removesuffix(".__init__")


def taken_from_modules(source: str) -> Iterator[str]:
    """What some code takes from modules of `datasets`, not from `datasets` itself."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("datasets."):
            yield from (f"{node.module}:{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and begins_with(node) == "datasets":
            _, _, module = ast.unparse(node.value).partition(".")
            if module.islower() and is_module(f"datasets.{module}"):
                yield f"datasets.{module}:{node.attr}"


def begins_with(node: ast.expr) -> str | None:
    """The name `a` of `a.b.c`."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def is_module(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def overridden(kind: type) -> dict[str, list[type]]:
    """Name -> classes of `datasets` that have it, of what our classes define anew."""
    ours = [base for base in kind.__mro__ if base.__module__.startswith("cxr_datasets.")]
    theirs = [base for base in kind.__mro__ if base.__module__.startswith("datasets.")]
    found: dict[str, list[type]] = {}
    for name in {name for base in ours for name in vars(base)}:
        owners = [base for base in theirs if name in vars(base)]
        if owners and (not name.startswith("__") or name in ("__getstate__", "__iter__")):
            found[name] = owners
    return found
