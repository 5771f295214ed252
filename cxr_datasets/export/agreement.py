"""Whether the workers of a cluster are there, and write the bytes that this machine would."""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Callable, Mapping
from pkgutil import resolve_name
from typing import Any

from cxr_datasets.errors import ExportError
from cxr_datasets.export.identity import differences, versions
from cxr_datasets.packages import code_hash
from cxr_datasets.wording import get_logger

WORKERS_WITHIN = 20.0
"""Seconds in which a cluster must have a worker that takes tasks."""

_ANSWER_WITHIN = 8.0
"""Seconds in which its workers should tell what code they have."""

_LOOKS_EVERY = 0.2

_QUIET = 2.0
"""Seconds without a word of any worker, after which it is looked whether there are any."""

_SOFTWARE = f"{__name__}:software"
"""Where the function is, for `resolve_name`: Dask names no error of a function it cannot import."""

_WRITES = ("export",)
"""Room whose code decides how rows become bytes; `code_hash` knows those that make rows."""

_STEP = "Then run the same command again: it goes on with the files that are not there yet."

_logger = get_logger(__name__)


def software(package: str) -> dict[str, str]:
    """Tell what decides the bytes of a file, as far as it is the code of this process.

    Args:
        package: The dataset's package.

    Returns:
        Versions by the name of the software, and a hash of our code and the dataset's.
    """
    return {**versions(), "code": code_hash(package, also=_WRITES)}


def require_same(there: Mapping[str, str], here: Mapping[str, str], who: str) -> None:
    """Require that a worker has the software of the machine that began the export.

    Args:
        there: What that machine has, as `software` tells it.
        here: What the worker has.
        who: The worker.

    Raises:
        ExportError: Something differs.
    """
    changed = differences({"versions": there}, {"versions": here})
    if changed:
        raise ExportError(
            f"{who} would write other bytes than the machine that began the export. "
            f"{'; '.join(changed)}. Give all workers the same environment, and start them anew: a "
            f"worker keeps the code that it began with. {_STEP}"
        )


def require_workers(client: Any) -> None:
    """Require that a worker takes tasks, soon.

    Args:
        client: Client of the cluster. One that adapts to its tasks gets one, to start workers for.

    Raises:
        ExportError: There is no worker, or all that there are take no tasks.
    """
    watch = Watch(client)
    if watch.sees_workers():
        return
    demand = client.submit(platform.node, pure=False)
    try:
        while not watch.sees_workers():
            time.sleep(_LOOKS_EVERY)
    finally:
        client.cancel([demand])


class Watch:
    """Looks whether a cluster has workers that take tasks, as long as none is heard of."""

    def __init__(self, client: Any):
        """Begin to watch the cluster of a client."""
        self._client = client
        self._was_heard = self._is_told = False
        self._seen = self._looked = time.monotonic()

    def hear(self) -> None:
        """Note that a worker said something."""
        self._was_heard, self._is_told = True, False
        self._seen = self._looked = time.monotonic()

    def look(self) -> None:
        """Look, if nothing was heard or seen for a moment.

        Workers that were at work and are gone, such as jobs whose time was over, may come back:
        a line says that the export waits for them.

        Raises:
            ExportError: No worker takes tasks, and none of them ever wrote anything.
        """
        if time.monotonic() - self._looked >= _QUIET:
            self._looked = time.monotonic()
            self.sees_workers()

    def sees_workers(self) -> bool:
        """Whether a worker takes tasks now. If none does, this goes on for so long only.

        Raises:
            ExportError: As of `look`.
        """
        if "running" in _states(self._client).values():
            self._seen, self._is_told = time.monotonic(), False
            return True
        if time.monotonic() - self._seen >= WORKERS_WITHIN and not self._is_told:
            if not self._was_heard:
                raise ExportError(f"{_no_workers(self._client)} {_STEP}")
            _logger.warning("%s The export waits for workers.", _no_workers(self._client))
            self._is_told = True
        return False


def _states(client: Any) -> dict[str, str]:
    """Address of each worker -> its state: `running`, `paused` and others."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    return {address: worker["status"] for address, worker in workers.items()}


def _no_workers(client: Any) -> str:
    states = _states(client)
    cluster = f"The Dask cluster at {client.scheduler.address}"
    if not states:
        return (
            f"{cluster} had no workers for {WORKERS_WITHIN:.0f} seconds. Start some; if they wait "
            "in a queue, wait for them first with client.wait_for_workers(1)."
        )
    paused = sorted(address for address, state in states.items() if state == "paused")
    which = f"{', '.join(paused[:3])}{' and others' if len(paused) > 3 else ''}"
    return (
        f"{cluster} has {len(states)} workers and none that takes tasks: {len(paused)} of them are "
        f"paused ({which}), as Dask does when 80 % of a worker's memory are in use. Give them more "
        "memory (--memory-limit), or end what else they hold."
    )


def require_same_code(client: Any, there: Mapping[str, str], package: str) -> None:
    """Require that all workers have the software of this machine.

    Workers that join later are looked at before their first file.

    Args:
        client: Client of the cluster.
        there: What this machine has, as `software` tells it.
        package: The dataset's package.

    Raises:
        ExportError: One lacks the packages or has others. It is named.
    """
    try:
        _ask_all(client, there, resolve_name, _SOFTWARE)
        found = _ask_all(client, there, software, package)
    except (TimeoutError, asyncio.TimeoutError):  # one is at work: looked at with its next file
        _logger.debug("Not all workers tell what code they have.")
        return
    for worker, here in found.items():
        require_same(there, here, worker)


def _ask_all(
    client: Any, there: Mapping[str, str], function: Callable[..., Any], *arguments: str
) -> dict[str, Any]:
    """Call a function on all workers.

    Returns:
        How an error would name each worker -> what the function gave there.

    Raises:
        ExportError: A worker cannot import something.
        TimeoutError: Not all of them answer.
    """
    answers = client.run(
        function, *arguments, on_error="return", callback_timeout=_ANSWER_WITHIN
    ).items()
    found = {f"The Dask worker at {address}": answer for address, answer in answers}
    for worker, answer in found.items():
        if isinstance(answer, (ImportError, AttributeError)):
            raise ExportError(_lacks(worker, answer, there))
        if isinstance(answer, Exception) and not isinstance(answer, OSError):  # else it is gone
            raise answer
    return {who: answer for who, answer in found.items() if not isinstance(answer, Exception)}


def _lacks(who: str, error: Exception, there: Mapping[str, str]) -> str:
    missing = getattr(error, "name", None) or ""
    if "." in missing or isinstance(error, AttributeError):
        what = "has another version of cxr-datasets than the machine that began the export"
    else:
        what = f"cannot import {missing or 'cxr_datasets'}"
    return (
        f"{who} {what}. Install cxr-datasets {there['cxr-datasets']} and the dataset's package, as "
        f"they are here, into the environment that it is started in, and start it anew. {_STEP}"
    )
