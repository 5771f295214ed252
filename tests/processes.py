"""What Linux tells of running processes: who started whom, and which sockets others can reach."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_LISTENS = "0A"
"""State of a TCP socket that waits for others."""
_ACCEPTS = 0x10000
"""Flag of a unix socket that waits for others."""


def descendants(pid: int) -> list[int]:
    """List the processes that a process started, and those that they started."""
    parents = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it ended just now
                parents[int(entry.name)] = int(_state(int(entry.name))[1])
    found, new = [], [pid]
    while new:
        new = [child for child, parent in parents.items() if parent in new]
        found += new
    return found


def is_running(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    with suppress(OSError):
        return _state(pid)[0] != "Z"
    return False


def _state(pid: int) -> list[str]:
    """What stands behind the name of a process: a letter for its state, its parent, and more."""
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def doors(pids: Iterable[int]) -> set[str]:
    """Find the sockets of processes that another process could reach.

    Returns:
        A line for each: of TCP if it listens, of UDP always, of unix if it has a name or listens.
    """
    found = set()
    for pid in pids:
        with suppress(OSError):
            inodes = _sockets(pid)
            found |= {line for inode, line in _reachable(pid) if inode in inodes}
    return found


def held(pid: int) -> list[Path]:
    """List the files, folders and sockets that a process has open; of one that ended, none."""
    found = []
    with suppress(OSError):
        for descriptor in (_PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                found.append(descriptor.readlink())
    return found


def _sockets(pid: int) -> set[str]:
    matches = [re.fullmatch(r"socket:\[(\d+)\]", str(file)) for file in held(pid)]
    return {match[1] for match in matches if match}


def _reachable(pid: int) -> list[tuple[str, str]]:
    """Inode and line of each reachable socket in the network that a process sees."""
    net = _PROC / str(pid) / "net"
    found = []
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        with suppress(FileNotFoundError):
            for line in (net / kind).read_text().splitlines()[1:]:
                words = line.split()
                if kind.startswith("udp") or words[3] == _LISTENS:
                    found.append((words[9], f"{kind} {words[1]}"))
    for line in (net / "unix").read_text().splitlines()[1:]:
        words = line.split()
        if len(words) > 7 or int(words[3], 16) & _ACCEPTS:
            found.append((words[6], f"unix {' '.join(words[7:])}"))
    return found
