"""What a disk may hold after a power cut: a recorder of what is synced, and the states it allows.

    with PowerCuts(disk) as cuts:
        ...  # writes into the folder `disk`
    for state in cuts.states():
        state.write_to(elsewhere)

The system keeps bytes and names in memory until they are synced, each for itself. The recorder
looks at the folder before each operation that changes names or syncs, whoever wrote the bytes
meanwhile: Python, pyarrow, another thread. A state holds what was synced by then, and some or none
of the rest.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_CHANGING = ("replace", "rename", "unlink", "remove", "mkdir", "rmdir", "truncate", "ftruncate")

Names = dict[int, dict[str, int]]
"""Number of a folder -> name -> number of the file or folder."""


@dataclass(frozen=True)
class State:
    """A folder after a power cut.

    Attributes:
        when: The operation that was about to begin.
        lost: What of the unsynced writes was lost.
        folders: Paths of its folders.
        files: Path -> content.
    """

    when: str
    lost: str
    folders: frozenset[str]
    files: tuple[tuple[str, bytes], ...]

    def without(self, parts: Collection[str]) -> tuple[object, ...]:
        """The state without the files whose paths have one of some parts."""
        telling = (item for item in self.files if not any(part in item[0] for part in parts))
        return self.folders, tuple(telling)

    def write_to(self, folder: Path) -> None:
        """Write it into a folder that is not there yet."""
        folder.mkdir()
        for name in sorted(self.folders):
            (folder / name).mkdir()
        for name, content in self.files:
            (folder / name).write_bytes(content)


@dataclass
class _Disk:
    """Names and bytes: of all folders and files, by number."""

    names: Names = field(default_factory=dict)
    bytes: dict[int, bytes] = field(default_factory=dict)

    def copy(self) -> _Disk:
        return _Disk({number: dict(names) for number, names in self.names.items()},
                     dict(self.bytes))  # fmt: skip


class PowerCuts:
    """Records which states a power cut could leave, for as long as a `with` lasts.

    Attributes:
        moments: How many operations were about to begin when it looked.
    """

    def __init__(self, disk: Path) -> None:
        """Take a folder that is empty so far."""
        self._root = disk
        self._patch = pytest.MonkeyPatch()
        self._lock = threading.RLock()
        self._synced = _Disk({disk.stat().st_ino: {}})
        self._found: list[tuple[str, _Disk, _Disk]] = []
        self._kept: dict[int, int] = {}
        """Number of a file -> a descriptor: the system gives no other file this number now."""
        self._folders: set[int] = set()

    @property
    def moments(self) -> int:
        return len(self._found)

    def __enter__(self) -> PowerCuts:
        for name in _CHANGING:
            self._patch.setattr(os, name, self._looking_before(name, getattr(os, name)))
        self._patch.setattr(os, "fsync", self._syncing(os.fsync))
        return self

    def __exit__(self, *error: object) -> None:
        self._patch.undo()
        self._look("the end")
        for descriptor in self._kept.values():
            os.close(descriptor)

    def states(self, alike: Collection[str] = ()) -> Iterator[State]:
        """Give each state once.

        Args:
            alike: Parts of paths of files whose contents make no difference.
        """
        seen = set()
        for when, now, synced in self._found:
            for lost, disk in _what_may_be_left(now, synced):
                folders, files = self._tree(disk)
                state = State(when, lost, folders, files)
                telling = state.without(alike)
                if telling not in seen:
                    seen.add(telling)
                    yield state

    def certain(self) -> State:
        """The state in the end, if all was lost that is not synced."""
        when, _, synced = self._found[-1]
        return State(when, "all that is not synced", *self._tree(synced))

    def _looking_before(self, name: str, real: Any) -> Any:
        def operation(*arguments: Any, **options: Any) -> Any:
            with self._lock:
                if self._concerns(arguments):
                    self._look(f"{name} {' '.join(map(self._short, arguments))}")
                return real(*arguments, **options)

        return operation

    def _syncing(self, real: Any) -> Any:
        def fsync(descriptor: int) -> None:
            with self._lock:
                number = os.fstat(descriptor).st_ino
                place = os.readlink(f"/proc/self/fd/{descriptor}")
                if self._concerns([place]):
                    self._look(f"sync {self._short(place)}")
                    _, now, _ = self._found[-1]
                    if number in now.names:
                        self._synced.names[number] = dict(now.names[number])
                    else:
                        self._synced.bytes[number] = now.bytes[number]
                real(descriptor)

        return fsync

    def _concerns(self, arguments: Any) -> bool:
        texts = [os.fspath(a) for a in arguments if isinstance(a, (str, os.PathLike))]
        return any(Path(text).is_relative_to(self._root) for text in texts)

    def _short(self, place: Any) -> str:
        return str(place).removeprefix(f"{self._root}/")

    def _look(self, when: str) -> None:
        now = _Disk()
        for folder, folders, files in os.walk(self._root):
            place = Path(folder)
            there = {name: (place / name).stat().st_ino for name in (*folders, *files)}
            now.names[place.stat().st_ino] = there
            self._folders.add(place.stat().st_ino)
            for name in files:
                number = there[name]
                if number not in self._kept:
                    self._kept[number] = os.open(place / name, os.O_RDONLY)
                now.bytes[number] = (place / name).read_bytes()
        self._found.append((when, now, self._synced.copy()))

    def _tree(self, disk: _Disk) -> tuple[frozenset[str], tuple[tuple[str, bytes], ...]]:
        """Paths of the folders, and paths and contents of the files."""
        folders: set[str] = set()
        files: dict[str, bytes] = {}

        def enter(number: int, before: str) -> None:
            for name, inner in disk.names.get(number, {}).items():
                if inner in self._folders:
                    folders.add(f"{before}{name}")
                    enter(inner, f"{before}{name}/")
                else:
                    files[f"{before}{name}"] = disk.bytes.get(inner, b"")

        enter(self._root.stat().st_ino, "")
        return frozenset(folders), tuple(sorted(files.items()))


def _what_may_be_left(now: _Disk, synced: _Disk) -> Iterator[tuple[str, _Disk]]:
    synced_bytes = {number: synced.bytes.get(number, b"") for number in now.bytes}
    yield "all that is not synced", synced
    yield "bytes", _Disk(now.names, synced_bytes)
    yield (
        "bytes, and there are zeros",
        _Disk(
            now.names,
            {
                number: old.ljust(len(now.bytes[number]), b"\0")
                for number, old in synced_bytes.items()
            },
        ),
    )
    yield (
        "half of the bytes",
        _Disk(
            now.names,
            {
                number: now.bytes[number][: (len(old) + len(now.bytes[number])) // 2]
                for number, old in synced_bytes.items()
            },
        ),
    )
    yield "names", _Disk(synced.names, {**synced.bytes, **now.bytes})
    yield "nothing, as when a process is killed", now
