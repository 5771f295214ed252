"""Permissions that count in a test, even if it is run by root."""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class Capabilities(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


@contextmanager
def stopped_by_permissions() -> Iterator[None]:
    """Let permissions count for this thread even if it is root's."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = CapabilityHeader(0x2008_0522, 0)
    usual, less = (Capabilities * 2)(), (Capabilities * 2)()
    for capabilities in (usual, less):
        assert libc.capget(ctypes.byref(header), capabilities) == 0
    less[0].effective &= ~0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
    assert libc.capset(ctypes.byref(header), less) == 0
    try:
        yield
    finally:
        assert libc.capset(ctypes.byref(header), usual) == 0


@contextmanager
def closed(path: Path) -> Iterator[None]:
    """Take away everyone's right to read a file, or to list and enter a folder."""
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        with stopped_by_permissions():
            with pytest.raises(PermissionError):  # or the test would prove nothing
                os.listdir(path) if stat.S_ISDIR(mode) else path.read_bytes()
            yield
    finally:
        path.chmod(mode)
