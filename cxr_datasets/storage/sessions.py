"""What this process holds open, in one place: connections, archives, loaded sources, options.

Everything here is opened once, however many threads ask for it at the same moment, and opened
anew in a forked process: a child that used its parent's connections would take its answers.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Hashable
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

_T = TypeVar("_T")

_NOTHING: Any = object()

Options = dict[str, dict[str, Any]]
"""Options of file systems, by protocol."""


class Readable(Protocol):
    """What is kept of a source that was loaded: enough to read a file by its address."""

    root: str

    def path_of(self, address: str) -> str | None:
        """The path of an address within the source; None if it is outside."""

    def read(self, path: str) -> bytes:
        """All bytes of a file."""


_Source = TypeVar("_Source", bound=Readable)


class _Slot:
    """A thing that is opened once, and the lock of those who wait for it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.thing: Any = _NOTHING

    def opened(self, open_it: Callable[[], _T]) -> _T:
        if self.thing is _NOTHING:
            with self.lock:
                if self.thing is _NOTHING:
                    self.thing = open_it()
        return self.thing


class Sessions:
    """The open things of a process."""

    def __init__(self) -> None:
        self._options: dict[str, Options] = {}
        self._sources: dict[str, Readable] = {}
        self._of_parents: list[Any] = []
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._shared: dict[Hashable, _Slot] = {}
        self._own: WeakKeyDictionary[Any, _Slot] = WeakKeyDictionary()

    def clear(self) -> None:
        """Let go of all: what is still in use opens anew, and options given are forgotten."""
        self._options.clear()
        self._sources.clear()
        self._begin()

    def begin_in_child(self) -> None:
        """Open everything anew in a forked process; options and loaded sources are inherited."""
        # Kept, or to drop them here would close connections that the parent is using.
        self._of_parents.append((self._shared, self._own))
        self._begin()

    # What is open.

    def shared(self, key: Hashable, open_it: Callable[[], _T]) -> _T:
        """Give the thing that all in this process share under a key.

        Args:
            key: What it is, and whose.
            open_it: Opens it. Called once; where it raises, the next who asks tries again.
        """
        slot = self._shared.get(key)
        if slot is None:
            with self._lock:
                slot = self._shared.setdefault(key, _Slot())
        return slot.opened(open_it)

    def own(self, owner: object, open_it: Callable[[], _T]) -> _T:
        """Give the thing that one object has for itself, for as long as the object lives.

        Args:
            owner: Whose it is. The thing must not refer to it.
            open_it: As for `shared`.
        """
        slot = self._own.get(owner)
        if slot is None:
            with self._lock:
                slot = self._own.setdefault(owner, _Slot())
        return slot.opened(open_it)

    # What was loaded.

    def add_source(self, source: Readable) -> None:
        """Let `loaded` find a source by the addresses of its files, before all added earlier."""
        with self._lock:
            self._sources.pop(source.root, None)
            self._sources[source.root] = source

    def same_source(self, source: _Source) -> _Source:
        """Give the source that was added with this root; where none was, this one is added."""
        with self._lock:
            return self._sources.setdefault(source.root, source)  # type: ignore[return-value]

    def loaded(self, address: str) -> tuple[Readable, str] | None:
        """The source loaded last that an address is in, and its path there; None: in none."""
        with self._lock:
            sources = list(reversed(self._sources.values()))
        for source in sources:
            path = source.path_of(address)
            if path is not None:
                return source, path
        return None

    # What was given.

    def keep_options(self, given: Options, key: str | None = None) -> str:
        """Keep options in memory.

        Args:
            given: The options.
            key: Their key, where another process gave them one.

        Returns:
            The key they are found by: a random one, the same for equal options.
        """
        with self._lock:
            known = (known for known, kept in self._options.items() if kept == given)
            key = key or next(known, None) or secrets.token_hex(8)
            self._options[key] = given
        return key

    def options(self, key: str) -> Options | None:
        """Options by their key; None if they were given to another process."""
        return self._options.get(key)


sessions = Sessions()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=sessions.begin_in_child)
