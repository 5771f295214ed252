"""What a builder must not do behind its caller's back: open files, or change global state."""

from __future__ import annotations

import ast
import builtins
import glob
import inspect
import io
import logging
import os
import random
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageFile

_REACH_FILES = {"os", "io", "pathlib", "glob", "shutil", "fsspec", "tempfile", "gzip", "zipfile"}


def ban_file_access(monkeypatch: pytest.MonkeyPatch, modules: list[str]) -> None:
    """Let every way to a file raise when the code of one of some modules calls it."""

    def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def guard(*args: Any, **kwargs: Any) -> Any:
            caller = sys._getframe(1).f_globals.get("__name__")
            assert caller not in modules, f"{caller} calls {function.__name__}"
            return function(*args, **kwargs)

        return guard

    for place in (os, os.path, glob, Path):
        for name, member in list(vars(place).items()):
            is_plain = inspect.isroutine(member) and not isinstance(member, classmethod)
            if is_plain and not name.startswith("_"):
                monkeypatch.setattr(place, name, guarded(member))
    for module in (builtins, io):
        monkeypatch.setattr(module, "open", guarded(module.open))


def watch_file_access(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Give a set that from now on gets the path of every file opened and every folder listed."""
    seen: set[str] = set()

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def watch(*args: Any, **kwargs: Any) -> Any:
            if args and isinstance(args[0], (str, os.PathLike)):
                seen.add(os.path.normpath(args[0]))
            return function(*args, **kwargs)

        return watch

    for place, name in (
        *((os, name) for name in ("open", "listdir", "scandir")),
        *((module, "open") for module in (builtins, io)),
        *((pa, name) for name in ("OSFile", "memory_map")),
    ):
        monkeypatch.setattr(place, name, watched(getattr(place, name)))
    return seen


def file_access_in(source: str) -> list[str]:
    """Modules that reach files which some source imports, and `open` if it is called."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
        elif isinstance(node, ast.Name) and node.id == "open":
            found.append("open")
    roots = [name.split(".")[0] for name in found]
    return [root for root in roots if root in _REACH_FILES or root == "open"]


def global_state() -> tuple[Any, ...]:
    """Give what a library must not change: random states, Pillow's settings, folder, logging."""
    numpy_state = np.random.get_state()
    return (
        random.getstate(),
        *(str(part) for part in numpy_state),
        ImageFile.LOAD_TRUNCATED_IMAGES,
        Image.MAX_IMAGE_PIXELS,
        os.getcwd(),
        dict(os.environ),
        logging.getLogger().level,
        logging.getLogger().handlers,
    )
