"""What this process holds open: connections, archives, loaded sources, options that were given.

Each thing is opened once, even if many threads ask for it at the same moment. A forked process
opens everything anew: on its parent's connections it would get its parent's answers.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Hashable
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

from cxr_datasets.limits import Limit

_T = TypeVar("_T")

_NOTHING: Any = object()

Options = dict[str, dict[str, Any]]
"""Options of file systems, by protocol."""


class Readable(Protocol):
    """A loaded source, as far as it is needed to read a file by its address."""

    root: str

    def path_of(self, address: str) -> str | None:
        """The path of an address within the source; None if it is outside."""

    def read(self, path: str, limit: Limit = ...) -> bytes:
        """All bytes of a file, which may have so many."""


_Source = TypeVar("_Source", bound=Readable)


class _Slot:
    """One open thing, and a lock for the threads that wait until it is open."""

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
    """Everything that one process holds open. There is one instance, `sessions`."""

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
        """Forget everything. Sources still in use open anew, but without the options given."""
        self._options.clear()
        self._sources.clear()
        self._begin()

    def begin_in_child(self) -> None:
        """Open everything anew in a forked process. Options and loaded sources stay known."""
        # The parent's things are kept: to drop them here would close connections it still uses.
        self._of_parents.append((self._shared, self._own))
        self._begin()

    # What is open.

    def shared(self, key: Hashable, open_it: Callable[[], _T]) -> _T:
        """Give a thing that the whole process shares.

        Args:
            key: What it is, and for which user.
            open_it: Opens it. It is called once. If it raises, the next call tries again.
        """
        slot = self._shared.get(key)
        if slot is None:
            with self._lock:
                slot = self._shared.setdefault(key, _Slot())
        return slot.opened(open_it)

    def own(self, owner: object, open_it: Callable[[], _T]) -> _T:
        """Give a thing that belongs to one object, and is dropped with it.

        Args:
            owner: The object. The thing must not refer to it.
            open_it: As for `shared`.
        """
        slot = self._own.get(owner)
        if slot is None:
            with self._lock:
                slot = self._own.setdefault(owner, _Slot())
        return slot.opened(open_it)

    # What was loaded.

    def add_source(self, source: Readable) -> None:
        """Let `loaded` find a source by the addresses of its files, before any added earlier."""
        with self._lock:
            self._sources.pop(source.root, None)
            self._sources[source.root] = source

    def same_source(self, source: _Source) -> _Source:
        """Give the source with the same root that was added before; else add this one."""
        with self._lock:
            return self._sources.setdefault(source.root, source)  # type: ignore[return-value]

    def loaded(self, address: str) -> tuple[Readable, str] | None:
        """Find the source that holds an address, and the path in it. The last one added wins."""
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
            key: Their key, if another process gave them one.

        Returns:
            Their key: a random text, the same for equal options.
        """
        with self._lock:
            known = (known for known, kept in self._options.items() if kept == given)
            key = key or next(known, None) or secrets.token_hex(8)
            self._options[key] = given
        return key

    def options(self, key: str) -> Options | None:
        """Find options by their key; None if this process does not have them."""
        return self._options.get(key)


sessions = Sessions()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=sessions.begin_in_child)
