"""One export into a folder at a time.

On a local disk, or one mounted as such, the operating system keeps the lock (`flock`): it ends with
the process that holds it, however that ends. Elsewhere the lock is an object. Its owner writes it
anew every few seconds, and an export that finds it old takes it over. How old it is, the store
tells: both times that are compared are the store's own.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

from cxr_datasets.errors import ExportError
from cxr_datasets.export.folder import PRIVATE, UNFINISHED_FOLDER, Folder
from cxr_datasets.storage.machine import this_machine

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

HEARTBEAT = 15.0
"""Seconds between two signs of life of a lock that is an object."""

DEAD_AFTER = 4 * HEARTBEAT
"""Seconds without a sign of life after which the owner of a lock counts as dead."""

_SETTLING = 1.0
"""Seconds after which two exports that began together see each other's lock."""

_SLOW_STORE = 4
"""An export waits so many times as long as its look and its write took, if that is more."""

_NAME = f"{PRIVATE}/lock"

_LONGEST = 10_000
"""Bytes that no lock reaches."""


@contextmanager
def locked(folder: Folder) -> Iterator[None]:
    """Keep other exports out of a folder for as long as the block lasts.

    Raises:
        ExportError: Another export is writing into it.
    """
    folder.make()
    if folder.is_local and fcntl is not None:
        with _locked_by_system(folder) as held:
            if held:
                yield
                return
    with _locked_by_object(folder):
        yield


@contextmanager
def _locked_by_system(folder: Folder) -> Iterator[bool]:
    """Lock a local folder; gives False if its file system knows no locks."""
    with folder.open_lock(_NAME) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise _in_use(folder, _owner(file.read(_LONGEST))) from None
        except OSError:  # some network file systems
            yield False
            return
        is_alone = _is_alone(folder, file)
        with suppress(OSError):  # the disk is full; the lock holds without a name, too
            if is_alone:
                file.truncate(0)
                file.write(_signature(""))
                file.flush()
        yield True
        with suppress(OSError):
            if is_alone:
                file.truncate(0)


def _is_alone(folder: Folder, file: BinaryIO) -> bool:
    """Whether a lock may be written to: it has no second name, under which it would change too.

    Raises:
        ExportError: It has one, and holds what no export wrote.
    """
    found = os.fstat(file.fileno())
    if found.st_nlink <= 1:
        return True
    file.seek(0)
    if found.st_size and not _owner(file.read(_LONGEST)):
        raise ExportError(
            f"{folder}/{_NAME} is another file (a hard link) and no lock of an export. Remove it, "
            "or give another folder."
        )
    return False


@contextmanager
def _locked_by_object(folder: Folder) -> Iterator[None]:
    token, began = secrets.token_hex(8), time.monotonic()
    _refuse_if_alive(folder, token)
    folder.write(_NAME, _signature(token))
    time.sleep(max(_SETTLING, _SLOW_STORE * (time.monotonic() - began)))
    _refuse_if_alive(folder, token)
    stop = threading.Event()
    beating = threading.Thread(target=_beat, args=(folder, token, stop), daemon=True)
    beating.start()
    try:
        yield
    finally:
        stop.set()
        beating.join()
        if _owner(folder.read(_NAME) or b"").get("token") == token:
            folder.remove(_NAME)


def _beat(folder: Folder, token: str, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT):
        with suppress(Exception):  # the next sign of life may come through
            if _owner(folder.read(_NAME) or b"").get("token", token) != token:
                return  # taken over, as while this machine slept
            folder.write(_NAME, _signature(token))


def _refuse_if_alive(folder: Folder, token: str) -> None:
    content = folder.read(_NAME) or b""
    owner = _owner(content)
    if owner and owner["token"] != token and _is_alive(folder, owner, content):
        raise _in_use(folder, owner)


def _is_alive(folder: Folder, owner: dict[str, Any], content: bytes) -> bool:
    if owner["machine"] == this_machine() and owner["pid"] != os.getpid():
        try:
            os.kill(owner["pid"], 0)
        except ProcessLookupError:
            return False
        except OSError:
            pass
    written, now = folder.changed(_NAME), _time_of_store(folder)
    if written is None or now is None:
        return _is_written_anew(folder, content)
    return now - written < DEAD_AFTER


def _time_of_store(folder: Folder) -> float | None:
    """What a store takes for the time; None if it does not say.

    The clock of this machine may be wrong by hours, and so may that of the owner of a lock.
    """
    for is_last in (False, True):
        name = f"{UNFINISHED_FOLDER}/clock.{secrets.token_hex(8)}"
        try:
            folder.write(name, b"?")
            if (time_there := folder.changed(name)) is not None:
                return time_there
        except ExportError:
            if is_last:
                raise
        finally:
            folder.remove(name)
        # Another export may just have removed all unfinished files, as each does once.
    return None


def _is_written_anew(folder: Folder, content: bytes) -> bool:
    """Wait for a sign of life of the owner of a lock, where a store does not tell times."""
    end = time.monotonic() + DEAD_AFTER
    while time.monotonic() < end:
        time.sleep(HEARTBEAT / 5)
        now = folder.read(_NAME)
        if now is None:  # it ended
            return False
        if now != content:
            return True
    return False


def _signature(token: str) -> bytes:
    """Who holds a lock, in other bytes each time."""
    owner = {
        "host": socket.gethostname(), "machine": this_machine(), "pid": os.getpid(), "token": token,
        "sign": secrets.token_hex(4),
    }  # fmt: skip
    return json.dumps(owner).encode()


def _owner(content: bytes) -> dict[str, Any]:
    """Read who wrote a lock; empty if nobody did, or its owner was stopped while it wrote."""
    try:
        owner = json.loads(content)
        texts = {name: str(owner[name]) for name in ("host", "machine", "token")}
        return {**texts, "pid": int(owner["pid"])}
    except (ValueError, KeyError, TypeError, OverflowError):
        return {}


def _in_use(folder: Folder, owner: dict[str, Any]) -> ExportError:
    who = f"process {owner['pid']} on {owner['host']}" if owner else "another process"
    return ExportError(
        f"{folder} is being written to by {who}. Wait for it to end, or stop it, or choose another "
        "folder; what was finished is not written again."
    )
