"""Refuse PostScript where `datasets` would give it to Pillow, and Pillow to Ghostscript.

Datasets loaded here decode their images by a class of ours, which opens few formats. But
`datasets` makes plain features of what is stored: in `concatenate_datasets`, in `load_from_disk`,
and in exports that are loaded back. Their images are decoded by `datasets.Image` itself, by
whatever Pillow knows. Of all formats of Pillow only PostScript starts a program.
"""

from __future__ import annotations

from contextlib import suppress
from functools import wraps
from typing import Any

import datasets

from cxr_datasets.errors import ImageError
from cxr_datasets.hooks.replacing import replace_once
from cxr_datasets.images.faults import address_of
from cxr_datasets.images.opening import is_postscript
from cxr_datasets.storage.sessions import sessions

_LOOKED_AT = 4


def refuse_postscript() -> None:
    """Let no later `datasets.Image` decode PostScript. Again changes nothing."""
    replace_once(datasets.Image, "decode_example", _looking_first)


def _looking_first(original: Any) -> Any:
    @wraps(original)
    def decode_example(self: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(value, dict):
            value = _without_program(value)
        return original(self, value, *args, **kwargs)

    return decode_example


def _without_program(image: dict[str, Any]) -> dict[str, Any]:
    """Give a stored image as it may be decoded.

    Raises:
        ImageError: It is PostScript.
    """
    content, path = image.get("bytes"), image.get("path")
    if content is None and isinstance(path, str) and "://" in path:
        found = sessions.loaded(path)
        if found is None:
            return image  # of another dataset
        source, inside = found
        content = source.read(inside)
        image = {**image, "bytes": content}
    if is_postscript(_start(path) if content is None else content):
        raise ImageError(
            f"image {address_of(image)} is PostScript, which Pillow gives to another program, and "
            "is not decoded. It is not the release's own file: compare it with the release's "
            "checksums and fetch it again."
        )
    return image


def _start(path: Any) -> bytes:
    """The first bytes of a local file; none if it cannot be read, which the decoder then says."""
    with suppress(OSError, TypeError, ValueError), open(path, "rb") as file:
        return file.read(_LOOKED_AT)
    return b""
