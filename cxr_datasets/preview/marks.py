"""Report text as HTML: everything is escaped, and the marks of de-identification stand back."""

from __future__ import annotations

import html
import re

from cxr_datasets.wording import escaped

MARK = re.compile(r"_{3,}|X{4,}")
"""What stands in the place of a name, a date or a place that was taken out: `___` or `XXXX`."""

MARK_CLASS = "cxr-mark"
"""Class of the element around a mark."""


def marked_text(text: str) -> str:
    """Write a report, or a section of one, as HTML.

    Args:
        text: Any text, however hostile.

    Returns:
        The text, escaped, with each mark of de-identification in a
        `<span class="cxr-mark">`. Ends of lines stay as they are: show it with
        `white-space: pre-wrap`.
    """
    parts, end = [], 0
    for mark in MARK.finditer(text):
        parts.append(plain_text(text[end : mark.start()]))
        parts.append(f'<span class="{MARK_CLASS}">{mark[0]}</span>')
        end = mark.end()
    return "".join(parts) + plain_text(text[end:])


def plain_text(text: object) -> str:
    """Write any value as HTML: markup is escaped, and so is what a browser would obey or hide."""
    return html.escape(seen_text(text), quote=True)


def seen_text(text: object) -> str:
    """Write any value so that all of it is seen: ends of lines and tabs stay.

    Controls and marks of direction are written as Python writes them.
    """
    lines = str(text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join("\t".join(map(escaped, line.split("\t"))) for line in lines)
