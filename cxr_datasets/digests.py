"""Short names for what files in the cache were made of."""

from __future__ import annotations

import hashlib


def short_digest(content: bytes, length: int = 16) -> str:
    """Make a short text that differs for different contents. It protects nothing.

    Args:
        content: What it is made of.
        length: Its characters, hexadecimal digits.
    """
    return hashlib.sha256(content, usedforsecurity=False).hexdigest()[:length]
