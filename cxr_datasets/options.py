"""Storage options: what a store wants to know, credentials among them, and who may know it.

They stay in the memory of the process they were given to, and of those it forks or starts
itself: a pickle of them holds a number, which means something in these processes only. A pickle
that goes through a pipe to a process just being started holds the options, as there is no other
way; one that is written to a file, sent to another machine or hashed never does.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import fsspec
from fsspec.registry import known_implementations, registry

from cxr_datasets.addresses import protocol as protocol_of

_kept: dict[str, dict[str, dict[str, Any]]] = {}

_SAME = ({"http", "https"}, {"s3", "s3a"}, {"gs", "gcs"}, {"ssh", "sftp"})


class StorageOptions:
    """Options of file systems, by protocol.

    Attributes:
        lost: Whether options were given to another process and could not follow here.
    """

    def __init__(self, given: Mapping[str, Any] | None = None, data_dir: str | None = None):
        """Sort the options a user gave.

        Args:
            given: Options of the file system of `data_dir`, or of several: `{"s3": {...}}`.
            data_dir: The address that options without a protocol are for.
        """
        self.lost = False
        self._key = ""
        if given:
            keyed = all(_is_protocol(name) for name in given)
            by_protocol = given if keyed else {protocol_of(data_dir or ""): given}
            self._keep({name: dict(options) for name, options in by_protocol.items()})

    def of(self, protocol: str) -> dict[str, Any]:
        """Options for one protocol, whichever of its names they were given under."""
        names = next((same for same in _SAME if protocol in same), {protocol})
        given = _kept.get(self._key, {})
        return next((dict(given[name]) for name in given if name in names), {})

    def with_default(self, protocol: str, **options: Any) -> StorageOptions:
        """These options, and more for a protocol that none were given for."""
        if self.of(protocol):
            return self
        return StorageOptions({**_kept.get(self._key, {}), protocol: options})

    def __repr__(self) -> str:
        return "StorageOptions(...)"

    def __getstate__(self) -> dict[str, Any]:
        given = _kept.get(self._key) if _is_starting_a_process() else None
        return {"key": self._key, "given": given}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._key = state["key"]
        if state["given"]:
            _kept[self._key] = state["given"]
        self.lost = bool(self._key) and self._key not in _kept

    def _keep(self, given: dict[str, dict[str, Any]]) -> None:
        known = (key for key, kept in _kept.items() if kept == given)
        self._key = next(known, None) or secrets.token_hex(8)
        _kept[self._key] = given


def _is_protocol(name: str) -> bool:
    return name in known_implementations or name in registry or name in fsspec.available_protocols()


def _is_starting_a_process() -> bool:
    """Whether what is being pickled goes straight to a process that this one starts."""
    import multiprocessing.context

    import multiprocess.context  # of `datasets`, for num_proc

    return any(
        context.get_spawning_popen() is not None
        for context in (multiprocessing.context, multiprocess.context)
    )
