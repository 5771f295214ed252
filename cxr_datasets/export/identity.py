"""What decides the bytes of an export, and how two exports differ, in words."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

from cxr_datasets._version import __version__
from cxr_datasets.builder.builder import CxrBuilder
from cxr_datasets.digests import short_digest
from cxr_datasets.storage.addresses import last_part

FORMAT = 5
"""Raise this when the same rows become other bytes: other row groups, encodings or names."""

FORM = "form of the images"
"""Name in an identity for how the image files are called and laid out, if not as in the release."""

PRESENT = "image files that are there"
"""Name in an identity for the key of which image files are present."""

_PARTS = {"dataset": "", "config": "", "options": "", "release": "release, ", "versions": ""}
"""Parts of an identity, and what comes before a name of each in a message."""


def package_name(kind: type[CxrBuilder]) -> str:
    """Return the import name of the package that a builder is from."""
    return kind.__module__.partition(".")[0]


def versions() -> dict[str, str]:
    """Versions of the software that has a say in the bytes of a file."""
    return {"cxr-datasets": __version__, "pyarrow": version("pyarrow"), "pillow": version("pillow")}


def identity(
    dataset: str,
    builder: CxrBuilder,
    rows_per_file: int | None,
    written_as: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Collect what decides the bytes of the files, as the manifest holds it.

    It names no place on this machine and no address, only names, sizes and times of files.

    Args:
        dataset: Name of the dataset.
        builder: Its builder, with the options.
        rows_per_file: Most rows in a file; None: the sizes decide.
        written_as: Options of the form of the files; none for Parquet.
    """
    options = {name: without_place(value) for name, value in builder.config.key().items()}
    del options["embed"]  # an export always holds the images
    release = {
        posixpath.basename(stamp.path.rstrip("/")) or ".": (
            f"{stamp.size:,} bytes, {_told_state(stamp.version)}"
        )
        for stamp in builder.release.stamps()
    }
    for layer in builder.layers:
        state = f"{layer.stamp.size:,} bytes, {_told_state(layer.stamp.version)}"
        form = ", ".join(f"{name}={value!r}" for name, value in layer.layer.given().items())
        told = f"{last_part(layer.address)}, {state}"
        options[f"layer {layer.name}"] = f"{told}, with {form}" if form else told
    if not builder.place.form.is_own:
        release[FORM] = builder.place.form.told
    # An absent image that is an error may be fetched between two runs: its file is unwritten.
    if builder.found is not None and builder.config.missing != "error":
        release[PRESENT] = builder.found
    found = {
        "dataset": dataset,
        "config": builder.config.name,
        "options": {**options, "rows_per_file": rows_per_file, **(written_as or {})},
        "release": release,
        "versions": {**versions(), "code": builder.hash, "format": str(FORMAT)},
    }
    return json.loads(json.dumps(found))  # so that it equals one that was read from a file


def identity_key(identity: Mapping[str, Any]) -> str:
    """Return a short key of an identity, as the files of the export hold it."""
    return short_digest(json.dumps(identity, sort_keys=True).encode())


def _told_state(changed: str) -> str:
    """Say what a stamp tells beyond the size: a version, or a time of change."""
    try:
        moment = datetime.fromtimestamp(float(changed), timezone.utc)
    except (ValueError, OverflowError, OSError):
        return f"version {changed}"
    return f"changed {moment.isoformat()}"


def without_place(value: Any) -> Any:
    """Return the value of an option as it may leave this machine: the last part of a path."""
    if isinstance(value, str) and re.search(r"[/\\]", value):
        return last_part(value)
    return value


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say in words how two identities, or parts of them, differ.

    Args:
        old: The one that is there.
        new: The one of now.

    Returns:
        One text for each difference; empty if there is none.
    """
    found = []
    for part, prefix in _PARTS.items():
        before, now = old.get(part), new.get(part)
        if not isinstance(before, Mapping) or not isinstance(now, Mapping):
            before, now = {part: before}, {part: now}
        found += [
            f"{prefix}{name}: {_told(before.get(name))} there, {_told(now.get(name))} now"
            for name in dict.fromkeys([*before, *now])
            if before.get(name) != now.get(name)
        ]
    return found


def _told(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else repr(value)
