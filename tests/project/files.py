"""The files that stand around the code, read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # which pytest itself needs there

CHECKOUT = Path(__file__).parents[2]


def read(name: str) -> str:
    return (CHECKOUT / name).read_text(encoding="utf-8")


def read_yaml(name: str) -> Any:
    return yaml.safe_load(read(name))


def read_toml(name: str) -> dict[str, Any]:
    return tomllib.loads(read(name))
