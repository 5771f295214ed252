"""Whether the workers of a cluster are there, and write the bytes that this machine would."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Mapping
from typing import Any

from cxr_datasets.errors import ExportError
from cxr_datasets.export.identity import differences, versions
from cxr_datasets.packages import code_hash

WORKERS_WITHIN = 20.0
"""Seconds in which a cluster must have a worker that takes tasks."""

_ANSWER_WITHIN = 8.0
"""Seconds in which its workers should tell what code they have."""

_LOOKS_EVERY = 0.2

_WRITES = ("export",)
"""Room whose code decides how rows become bytes; `code_hash` knows those that make rows."""

_STEP = "Then run the same command again: it goes on with the files that are not there yet."

_logger = logging.getLogger(__name__)


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
    if "running" in _states(client).values():
        return
    demand = client.submit(platform.node, pure=False)
    limit = time.monotonic() + WORKERS_WITHIN
    try:
        while "running" not in _states(client).values():
            if time.monotonic() >= limit:
                raise ExportError(_no_workers(client))
            time.sleep(_LOOKS_EVERY)
    finally:
        client.cancel([demand])


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
            "in a queue, wait for them first with client.wait_for_workers(1), or give the command "
            f"later. {_STEP}"
        )
    paused = sorted(address for address, state in states.items() if state == "paused")
    which = f"{', '.join(paused[:3])}{' and others' if len(paused) > 3 else ''}"
    return (
        f"{cluster} has {len(states)} workers and none that takes tasks: {len(paused)} of them are "
        f"paused ({which}), as Dask does when 80 % of a worker's memory are in use. Give them more "
        f"memory (--memory-limit), or end what else they hold. {_STEP}"
    )


def require_same_code(client: Any, there: Mapping[str, str], package: str) -> None:
    """Require that all workers have the software of this machine, and the scheduler the packages.

    Workers that join later are looked at before their first file.

    Args:
        client: Client of the cluster.
        there: What this machine has, as `software` tells it.
        package: The dataset's package.

    Raises:
        ExportError: One lacks the packages or has others. It is named.
    """
    try:
        client.run_on_scheduler(software, package)
    except ImportError as error:
        scheduler = f"The Dask scheduler at {client.scheduler.address}"
        raise ExportError(_lacks(scheduler, error, there)) from None
    try:
        # A worker that computes does not always answer: it is looked at with its next file.
        found = client.run(software, package, on_error="return", callback_timeout=_ANSWER_WITHIN)
    except TimeoutError:
        _logger.debug("Not all workers tell what code they have.")
        return
    for address, here in found.items():
        who = f"The Dask worker at {address}"
        if isinstance(here, (ImportError, AttributeError)):
            raise ExportError(_lacks(who, here, there))
        if isinstance(here, Mapping):
            require_same(there, here, who)
        elif not isinstance(here, OSError):  # else it is gone
            raise here


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
