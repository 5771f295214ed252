"""How rows say that only those may have them who signed an agreement: a line of `info.license`.

`datasets` keeps `info.license` through `map`, `select`, `concatenate_datasets` and most others;
`carrying.py` sees to the rest. So the line can still be read where the rows are sent away.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_LINE = "Only for those who signed "
_LINES = re.compile(rf"^{re.escape(_LINE)}(\S+)$", re.MULTILINE)

_NOTE = b"huggingface"
"""Name of the metadata in an Arrow schema in which `datasets` looks for its features."""


def license_text(license: str, agreement: str | None) -> str:
    """Write the text that rows carry in `info.license`.

    Args:
        license: Name of the licence.
        agreement: Address of what everyone who gets the rows must have signed; None: nothing.
    """
    return f"{license}\n{_LINE}{agreement}" if agreement else license


def agreements_in(license: str | None) -> list[str]:
    """Find the addresses of the agreements that a text of `info.license` names.

    Args:
        license: The text, or several of them put together.
    """
    return list(dict.fromkeys(_LINES.findall(license or "")))


def agreements_of(rows: Any) -> list[str]:
    """Find the agreements that a dataset carries, or that the splits of a dictionary carry.

    Args:
        rows: A `Dataset`, a stream, or a dictionary of them.
    """
    parts = list(rows.values()) if isinstance(rows, Mapping) else [rows]
    infos = [getattr(part, "info", None) for part in parts]
    found = [each for info in infos for each in agreements_in(getattr(info, "license", None))]
    return list(dict.fromkeys(found))


def noted(metadata: Mapping[bytes, bytes] | None, license: str) -> dict[bytes, bytes]:
    """Add a licence to the metadata of an Arrow schema, which a Parquet file keeps.

    Args:
        metadata: Metadata as `datasets` makes them.
        license: The text.
    """
    note = json.loads((metadata or {}).get(_NOTE, b"{}"))
    note.setdefault("info", {})["license"] = license
    return {**(metadata or {}), _NOTE: json.dumps(note).encode()}


def license_in(metadata: Mapping[bytes, bytes] | None) -> str:
    """Read the licence from the metadata of an Arrow schema; "" if there is none.

    Args:
        metadata: The metadata, written by whomever.
    """
    try:
        license = json.loads((metadata or {})[_NOTE])["info"]["license"]
    except (ValueError, KeyError, TypeError):
        return ""
    return license if isinstance(license, str) else ""
