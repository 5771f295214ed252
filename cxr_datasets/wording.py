"""What a message may quote: names without control characters, numerals, and known wordings.

A cell may be a patient's report, a name may turn a terminal's text round, and the error of another
library may quote either. So each is written by a function of this module.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import unicodedata
from collections.abc import Mapping

from cxr_datasets.redaction import shown_in

_NUMERAL = re.compile(r"[-+]?\d{1,20}(\.\d{0,20})?|[-+]?\.\d{1,20}", re.ASCII)
_PLAIN = re.compile(r"[\w .,:;/=()'\"{}+~%#-]*")
"""What is no markup in Markdown or HTML, within code."""

_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of characters that a terminal obeys or hides: controls, marks of direction, halves of
pairs, ends of lines."""

_KNOWN = re.compile(
    r"""
    neither\ bytes\ nor\ a\ path\ is\ given                      # our own
  | File\ is\ not\ a\ zip\ file                                # zipfile
  | Bad\ magic\ number\ for\ (central\ directory|file\ header)
  | Bad\ CRC-32 | Truncated\ (file\ header|central\ directory)
  | Corrupt\ (zip64\ )?(extra\ field|end\ of\ central\ directory)[\w\ ().]*
  | Overlapped\ entries
  | Error\ -?\d+\ while\ decompressing\ data                   # zlib
  | (incorrect|invalid)\ [a-z\ /-]+
  | (image\ file\ is\ truncated|unrecognized\ data\ stream\ contents|broken\ data\ stream)  # Pillow
  | decoder\ error\ -?\d+
  | (broken|corrupt)\ PNG\ file
  | Decompressed\ data\ too\ large\ for\ PngImagePlugin\.MAX_TEXT_CHUNK
  | Decompressed\ Data\ Too\ Large
  | Image\ size\ \(\d+\ pixels\)\ exceeds\ limit\ of\ \d+\ pixels
  | cannot\ (identify\ image\ file|read\ image|decode\ image)
  | CSV\ parse\ error:\ (Row\ \#\d+:\ )?Expected\ \d+\ columns,\ got\ \d+       # pyarrow
  | CSV\ parser\ got\ out\ of\ sync | Empty\ CSV\ file | invalid\ UTF8\ (data|sequence)
  | (zlib|gzip)\ inflate\ failed | Truncated\ (compressed\ stream|gzip)
  | straddling\ object\ straddles\ two\ block\ boundaries
  | Not\ enough\ disk\ space
    """,
    re.VERBOSE,
)
"""Wordings of other libraries, as far as they quote nothing. What stands behind them is cut."""


class OwnWords:
    """Beside `OSError`, the base of errors of this project whose text quotes nothing."""


def safe(text: str) -> str:
    """Write a message as it may be printed: without secrets of addresses, on one line.

    What a terminal would obey is written as Python writes it in a string, by a number.
    """
    return escaped(shown_in(text))


def safe_json(value: object) -> str:
    """Write a value as JSON that may be printed: without secrets of addresses, on one line.

    What a terminal would obey is escaped as JSON escapes it, so that whoever reads it gets the
    name as it is.

    Args:
        value: What `json` can write; all else is written as its text.
    """
    return json.dumps(_without_secrets(value))


def _without_secrets(value: object) -> object:
    if isinstance(value, Mapping):
        return {shown_in(str(name)): _without_secrets(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_secrets(inner) for inner in value]
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None  # JSON has neither NaN nor infinity
    return shown_in(str(value))


def escaped(text: str) -> str:
    """Write control characters, marks of direction and ends of lines as Python escapes them."""
    if text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in _UNSEEN else char
        for char in text
    )


def cell(value: object) -> str:
    """Write the value of a cell: a numeral as it is, of all else its kind and its length."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a yes or no"
    text = str(value)
    if _NUMERAL.fullmatch(text):
        return f"'{text}'"
    if isinstance(value, (str, bytes)):
        characters = f"{len(value)} character{'s' if len(value) != 1 else ''}"
        return f"a text of {characters}"
    return f"a value of type {type(value).__name__}"


def said(error: BaseException) -> str:
    """Write what an error says, if its wording is known; else its class only.

    Other libraries quote what they read: cells, headers, addresses with signatures.
    """
    if isinstance(error, OwnWords):
        return getattr(error, "strerror", None) or str(error)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    found = _KNOWN.match(str(error))
    return found[0] if found else type(error).__name__


def said_of_import(error: BaseException) -> str:
    """Write why a module does not import: the class, and the module that is not there."""
    kind = type(error).__name__
    absent = error.name if isinstance(error, ImportError) else None
    return f"{kind}: {absent}" if absent else kind


def code(text: str) -> str:
    """Write a name or a value as code in Markdown, within a table too, whatever is in it."""
    if _PLAIN.fullmatch(text):
        return f"`{text}`"
    return f"<code>{without_markup(text)}</code>"


def without_markup(text: str) -> str:
    """Write what may be markup in Markdown or HTML as numbers of characters."""
    return "".join(c if _PLAIN.fullmatch(c) else f"&#{ord(c)};" for c in escaped(text))


def get_logger(module: str) -> logging.Logger:
    """Give the logger of a module, whose lines are all written by `safe`."""
    logger = logging.getLogger(module)
    if _make_safe not in logger.filters:
        logger.addFilter(_make_safe)
    return logger


def _make_safe(record: logging.LogRecord) -> bool:
    record.msg, record.args = safe(record.getMessage()), None
    return True
