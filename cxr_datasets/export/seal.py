"""A last line of the card that tells whether anybody changed it since an export wrote it."""

from __future__ import annotations

import hashlib
import re

_LINE = "\n<!-- Written by cxr export. Remove this line if you change the text above: {} -->\n"
_SEALED = re.compile(
    rb"(?P<text>.*)" + re.escape(_LINE).replace(r"\{\}", r"(?P<sha256>[0-9a-f]{64})").encode(),
    re.DOTALL,
)


def sealed(text: str) -> str:
    """Add the line to a text."""
    return text + _LINE.format(hashlib.sha256(text.encode()).hexdigest())


def is_sealed(content: bytes) -> bool:
    """Whether a text is one that `sealed` gave, unchanged.

    Args:
        content: The text, as UTF-8.
    """
    found = _SEALED.fullmatch(content)
    if found is None:
        return False
    return hashlib.sha256(found["text"]).hexdigest() == found["sha256"].decode()
