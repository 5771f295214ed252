"""The page as HTML: its templates, filled in. Nothing that comes from a file is taken as markup."""

from __future__ import annotations

import html
import json
import re
from importlib.resources import files
from typing import Any

from cxr_datasets.preview.states import STATES

_SCRIPTS = ("counts.js", "charts.js", "gallery.js", "page.js")
MADE_BY = '<meta name="generator" content="cxr preview">'
"""By this a page is known that was written here."""

_PLACE = re.compile(r"\{\{(\w+)\}\}")


def render(
    title: str, subtitle: str, banner: str, footer: str, meta: dict[str, Any], columns: str
) -> str:
    """Fill in the page.

    Args:
        title: Heading of the page, as text.
        subtitle: The line beneath it, as text.
        banner: What must be seen first, as HTML; may be empty.
        footer: The last line, as text.
        meta: What the scripts read: names of the columns, sample studies.
        columns: The packed columns, in base64.

    Returns:
        One page that asks for nothing beside it.
    """
    given = {
        "title": html.escape(title),
        "subtitle": html.escape(subtitle),
        "banner": banner,
        "footer": html.escape(footer),
        "made_by": MADE_BY,
        "meta": in_script(meta),
        "columns": columns,
        "css": _PLACE.sub(_state_colours(), _template("page.css")),
        "js": "\n".join(map(_template, _SCRIPTS)),
    }
    # In one pass: what is put in is not looked at again.
    return _PLACE.sub(lambda match: given[match[1]], _template("page.html"))


def in_script(value: Any) -> str:
    """Write a value as JSON that may stand in a script: nothing in it ends the script."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _state_colours() -> str:
    lines = (f"  --{state.key}: light-dark({state.light}, {state.dark});" for state in STATES)
    return "\n".join(lines)


def _template(name: str) -> str:
    return (files("cxr_datasets.preview") / "page" / name).read_text("utf-8").strip()
