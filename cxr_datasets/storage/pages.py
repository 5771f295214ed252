"""Pages that come in place of a file: what a server sends instead, with status 200.

A site whose login has run out, a proxy that wants one, or a hospital's network that blocks a site
answers as if all were well, and the answer is a page. No file of a release is a page.
"""

from __future__ import annotations

import json

_PAGES = (".html", ".htm", ".xhtml", ".xml", ".json")
"""Ends of the names of files that may be pages."""

_LOOKED_AT = 1_024
"""Bytes at the start of a file that are looked at."""

A_PAGE = 65_536
"""Bytes at the start of an answer that tell whether it is a page; JSON, which is told by its end,
must be no longer: answers that report an error are short."""

_BLANK = b" \t\r\n\f\xef\xbb\xbf"  # and the byte order mark of UTF-8
_FIRST = tuple(bytes([byte]) for byte in b"<{[" + _BLANK)
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .ods; .xls
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body", b"<title", b"<script", b"<meta")


class PageError(Exception):
    """A page came in place of a file."""

    def __init__(self, kind: str):
        super().__init__(f"a page of {kind} came in its place")


def page_kind(content: bytes) -> str | None:
    """Tell whether the bytes of a file are those of a page.

    A page of HTML begins, after blanks and comments, with one of its first tags. A page of XML
    begins with its declaration. A page of JSON is an object or a list from its first byte to its
    last, and at most 64 KiB long.

    Args:
        content: All bytes of the file.

    Returns:
        `HTML`, `XML` or `JSON`; None if it is none of them.
    """
    if not content.startswith(_FIRST):
        return None
    start = content[:_LOOKED_AT].lstrip(_BLANK).lower()
    if start.startswith(_HTML) or (
        start.startswith((b"<!--", b"<?xml", b"<!doctype")) and b"<html" in start
    ):
        return "HTML"
    if start.startswith(b"<?xml"):
        return "XML"
    if start.startswith((b"{", b"[")) and len(content) <= A_PAGE and _is_json(content):
        return "JSON"
    return None


def is_workbook(content: bytes) -> bool:
    """Tell whether a file that is to be text is one of a spreadsheet, or another zip archive.

    Args:
        content: The file, or its first bytes.
    """
    return content.startswith(_WORKBOOKS)


def refuse_page(content: bytes, place: str) -> None:
    """Require that what came for a file is no page.

    Args:
        content: What came.
        place: Name of the file that was asked for.

    Raises:
        PageError: It is a page, and the name is not that of one.
    """
    kind = page_kind(content)
    if kind is not None and not place.lower().endswith(_PAGES):
        raise PageError(kind)


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    return True
