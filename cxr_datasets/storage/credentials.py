"""Storage options, such as credentials, and which processes get to know them.

The options stay in memory: in the process that they were given to, and in those that it forks or
starts. A pickle holds only a key, by which these processes find the options. There is one
exception: a process that is being started gets the options themselves, through a pipe. A pickle
that is written to a file, sent to another machine or hashed never holds them, but for `Handed`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from fsspec.registry import known_implementations, registry

from cxr_datasets.storage.addresses import WEB, links
from cxr_datasets.storage.addresses import protocol as protocol_of
from cxr_datasets.storage.sessions import Options, sessions

_OF_ONE_SERVER = frozenset({"username", "password", "auth", "cookies"})
"""Options that tell a web server who the user is."""

_OF_ALL_SERVERS = frozenset({"user-agent", "accept", "accept-encoding", "accept-language"})
"""Headers that do not. Any other may: servers have many names for a key or a token."""

_SAME = ({"http", "https"}, {"s3", "s3a"}, {"gs", "gcs"}, {"ssh", "sftp"})


class StorageOptions:
    """Options of file systems, by protocol.

    Attributes:
        key: A random text, the same for equal options. It reveals nothing. Empty: no options.
    """

    def __init__(
        self,
        given: Mapping[str, Any] | None = None,
        data_dir: str | None = None,
        *others: str | None,
    ):
        """Sort the options that a user gave.

        Args:
            given: Options for `data_dir`, or options by protocol: `{"s3": {...}}`.
            data_dir: The address that options without a protocol belong to.
            *others: Other addresses that are read. If `data_dir` is not on the web, the server of
                the first one that is gets the options for the web.
        """
        self.key = ""
        # What is no path, whoever opens it says so.
        places = (place for place in (data_dir, *others) if isinstance(place, (str, os.PathLike)))
        servers = (_server(os.fspath(place)) for place in places)
        self._server = next(filter(None, servers), "")
        if given:
            # Both forms may come at once: `datasets` adds the Hub's options to the user's.
            keyed = {
                name: dict(value)
                for name, value in given.items()
                if isinstance(value, Mapping) and _is_protocol(name)
            }
            flat = {name: value for name, value in given.items() if name not in keyed}
            if flat:
                protocol = protocol_of(os.fspath(data_dir or ""))
                keyed[protocol] = {**keyed.get(protocol, {}), **flat}
            self.key = sessions.keep_options(keyed)

    @property
    def lost(self) -> bool:
        """Whether options were given, but this process does not know them."""
        return bool(self.key) and sessions.options(self.key) is None

    @property
    def _given(self) -> Options:
        return sessions.options(self.key) or {}

    def of(self, protocol: str) -> dict[str, Any]:
        """Options for a protocol, under any of its names: `s3` and `s3a` are the same."""
        names = next((same for same in _SAME if protocol in same), set())
        given = self._given
        return next((dict(given[name]) for name in (protocol, *names) if name in given), {})

    def of_web(self, address: str) -> dict[str, Any]:
        """Options for a web server. Only the server of `data_dir` is told who the user is."""
        given = self.of(protocol_of(address))
        return given if self._server in ("", _server(address)) else _anonymous(given)

    def with_default(self, protocol: str, **options: Any) -> StorageOptions:
        """Add options for a protocol, unless the user gave some for it."""
        if self.of(protocol):
            return self
        more = StorageOptions({**self._given, protocol: options})
        more._server = self._server
        return more

    def __repr__(self) -> str:
        return "StorageOptions(...)"

    def __getstate__(self) -> dict[str, Any]:
        given = self._given if is_starting_a_process() else None
        return {"key": self.key, "given": given, "server": self._server}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.key, self._server = state["key"], state["server"]
        if state["given"]:
            sessions.keep_options(state["given"], self.key)


class Handed:
    """Storage options on their way to another process: a pickle of this holds them.

    It must go where nobody can read it, such as over TLS. To unpickle it makes the options known.
    """

    def __init__(self, options: Sequence[StorageOptions]):
        """Take the options that are to arrive."""
        self._given = {each.key: each._given for each in options if each.key}

    def __repr__(self) -> str:
        return "Handed(...)"

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for key, given in self._given.items():
            sessions.keep_options(given, key)


def tells_user(options: Mapping[str, Any]) -> bool:
    """Whether options of a web file system tell a server who the user is."""
    return _anonymous(dict(options)) != dict(options)


def _server(address: str) -> str:
    """Scheme, host and port of an address on the web; empty if it is in another kind of store."""
    end = links(address)[-1]
    try:
        parts = urlsplit(end)
        return f"{parts.scheme}://{parts.netloc.lower()}" if protocol_of(end) in WEB else ""
    except ValueError:  # no address; whoever opens it says so
        return ""


def _anonymous(options: dict[str, Any]) -> dict[str, Any]:
    """Options of a web file system without those that tell who the user is."""
    kept = {name: value for name, value in options.items() if name not in _OF_ONE_SERVER}
    if "headers" in kept:
        given = dict(kept["headers"])
        kept["headers"] = {name: given[name] for name in given if name.lower() in _OF_ALL_SERVERS}
    if "client_kwargs" in kept:
        kept["client_kwargs"] = _anonymous(dict(kept["client_kwargs"]))
    return kept


def _is_protocol(name: str) -> bool:
    return name in known_implementations or name in registry


def is_starting_a_process() -> bool:
    """Whether this pickle goes straight to a process that is being started."""
    import multiprocessing.context

    import multiprocess.context  # of `datasets`, for num_proc

    return any(
        context.get_spawning_popen() is not None
        for context in (multiprocessing.context, multiprocess.context)
    )
