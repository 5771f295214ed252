"""A log of runs for audits: one line of JSON a run, and in it no text of a report, id or secret.

The line is added when the run ends, also by an error or by Ctrl-C; a process that is killed adds
none. It is written at once to the end of the file, so that several runs may share a file on a
local disk.
"""

from __future__ import annotations

import errno
import getpass
import hashlib
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from cxr_datasets._version import __version__
from cxr_datasets.errors import OptionError, StoreError
from cxr_datasets.storage import addresses, durable, own
from cxr_datasets.wording import get_logger, safe_json, said

_IDS = "ids"
"""The option that names single images or studies."""

_logger = get_logger(__name__)


@dataclass
class Entry:
    """What a run adds to its line while it works.

    Attributes:
        counts: Name -> number, such as of rows or files.
        manifests: Name -> sha256 of a list of the files that the run wrote, sent or read.
        problems: Number of problems that the run found.
        places: Name -> path or address, beyond those that were given or in their place.
    """

    counts: dict[str, int] = field(default_factory=dict)
    manifests: dict[str, str] = field(default_factory=dict)
    problems: int = 0
    places: dict[str, str] = field(default_factory=dict)


@contextmanager
def logged(
    log: str | os.PathLike[str] | None,
    verb: str,
    *,
    places: Mapping[str, Any],
    options: Mapping[str, Any],
) -> Iterator[Entry]:
    """Add a line to a log when the block ends.

    The line has the keys `time` (UTC, when the run began), `seconds`, `user`, `host`, `version`,
    `verb`, `places`, `options`, `counts`, `manifests`, and `outcome`: `done`, `problems`, or the
    class of the error that ended the run.

    Args:
        log: The file; None: no line is written.
        verb: What is run, such as `export`.
        places: Name -> path or address that is read or written; None: it was not given. What is
            secret in an address is left out.
        options: Name -> value of each option that was given. Of storage options the names are
            told, of `ids` the number and the sha256.

    Yields:
        What the run found, to be filled.

    Raises:
        OptionError: `log` is no file on a disk of this machine that can be written to. Nothing
            else was done.
        StoreError: The run is done, and its line could not be written.
    """
    if log is None:
        yield Entry()
        return
    file = _opened(log)
    entry, begun = Entry(), time.monotonic()
    line = {
        "time": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "user": _user(),
        "host": socket.gethostname(),
        "version": __version__,
        "verb": verb,
        "options": {
            name: _told(name, value) for name, value in options.items() if value is not None
        },
    }

    def end(outcome: str) -> None:
        seconds = round(time.monotonic() - begun, 3)
        found = {"counts": entry.counts, "manifests": entry.manifests, "outcome": outcome}
        told = {name: place for name, place in {**places, **entry.places}.items()
                if place is not None}  # fmt: skip
        where = {name: _place(place) for name, place in told.items()}
        _append(file, {**line, "places": where, "seconds": seconds, **found})

    try:
        yield entry
    except BaseException as error:
        try:
            end(type(error).__name__)
        except StoreError as fault:
            _logger.warning("%s", fault)  # the error that ended the run matters more
        raise
    end("problems" if entry.problems else "done")


def _opened(log: str | os.PathLike[str]) -> str:
    """Make the file of a log, if it is not there, and require that it can be written to.

    Returns:
        Its absolute path.
    """
    addresses.check_open("log", log)
    file = addresses.normalised(os.fspath(log))
    if "://" in file:
        raise OptionError(
            f"log={addresses.shown(file)} is no file on a disk of this machine, and a log is added "
            "to no other. Give the path of one."
        )
    own.keep_closed(file)
    try:
        os.close(_open(file))
    except OSError as error:
        raise OptionError(
            f"log={file} cannot be written to: {said(error)}. Nothing was done. Give a file of "
            "yours, or a new one in a folder that is there."
        ) from None
    return file


def _open(file: str) -> int:
    return own.open_file(file, os.O_RDWR | os.O_APPEND | os.O_CREAT)


def _append(file: str, line: Mapping[str, Any]) -> None:
    """Add a line to a log.

    Raises:
        StoreError: The disk failed, or has no room.
    """
    content = safe_json(line).encode() + b"\n"
    try:
        descriptor = _open(file)
        try:
            if not _is_ended(descriptor):
                content = b"\n" + content  # after a line that a full disk cut
            if os.write(descriptor, content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            durable.sync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreError(
            f"The line of this run could not be added to the log {file}: {said(error)}. Make room, "
            "or give another file. The run itself has ended."
        ) from None


def _is_ended(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    if not size:
        return True
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1) == b"\n"


def _user() -> str:
    """The name of the user that the process runs as, whatever the environment says."""
    try:
        import pwd

        return pwd.getpwuid(os.geteuid()).pw_name
    except ImportError:  # Windows
        return getpass.getuser()
    except KeyError:  # a container may have users without names
        return f"number {os.geteuid()}"


def _place(place: Any) -> str:
    """Write a path from the root on, or an address without what is secret in it."""
    text = str(place)
    if addresses.shown(text) != text:  # no more than what is left of it
        return addresses.shown(text)
    with suppress(OptionError):
        text = addresses.normalised(text)
    return text


def _told(name: str, value: Any) -> Any:
    """Write the value of an option as far as it may be told."""
    if name == _IDS:
        return _told_ids(value)
    if isinstance(value, Mapping):  # storage options
        return sorted(map(str, value))
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (str, os.PathLike)):
        return addresses.shown(str(value))
    if isinstance(value, Sequence):
        return [_told(name, each) for each in value]
    return type(value).__name__


def _told_ids(ids: Any) -> dict[str, Any]:
    """Write how many ids there are, and the sha256 of the file or, line by line, of the list."""
    if isinstance(ids, (str, os.PathLike)):
        try:
            content = Path(ids).read_bytes()
        except (OSError, ValueError):
            return {"file": "not read"}
    else:
        content = "".join(f"{each}\n" for each in ids).encode()
    sha256 = hashlib.sha256(content).hexdigest()
    return {"count": len(content.split()), "sha256": sha256}
