"""Which machine this is, as told to others who share a disk or a store with it."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

from cxr_datasets.digests import short_digest


def this_machine() -> str:
    """Give a text that is the same for processes that see each other's numbers and locks.

    Machines of a cluster, and containers, may share the name of the host.

    Returns:
        16 hexadecimal digits.
    """
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text())
    with suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return short_digest(repr(parts).encode())
