"""A Ghostscript that leaves a mark when it is started, and files that start it."""

from __future__ import annotations

import os
import struct
import subprocess
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import PIL.EpsImagePlugin
import PIL.Image
import pytest

_TEXT = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 40 30
%%HiResBoundingBox: 0 0 40 30
%%EndComments
0 0 40 30 rectfill
showpage
%%EOF
"""

POSTSCRIPT = {
    "text": _TEXT,
    # With a preview: where the text begins and how long it is, then nothing of the previews.
    "binary": b"\xc5\xd0\xd3\xc6" + struct.pack("<7L", 32, len(_TEXT), 0, 0, 0, 0, 0xFFFF) + _TEXT,
}


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the programs of this process find this Ghostscript first.

    Returns:
        The file that is there once it was started.
    """
    mark, program = folder / "started", folder / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> "{mark}"\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    # Pillow looks once for the program, and asks it for its version.
    monkeypatch.setattr(PIL.EpsImagePlugin, "gs_binary", "gs")
    return mark


def opened_by_pillow(content: bytes) -> None:
    """Open a file as Pillow does it when nobody says which formats."""
    with suppress(OSError, subprocess.CalledProcessError):
        PIL.Image.open(BytesIO(content)).load()
