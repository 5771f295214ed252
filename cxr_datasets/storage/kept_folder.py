"""The folder in which files of stores are kept: this user's alone, and what it has of which place.

`places/` in it has a small file for each place: its address as it may be shown, the folder in
`files/` that its files are in, and the stamps of the few files that every load looks at. Where the
store has another of these files now, the place's files begin anew in another folder, so that a
process that still reads the old ones cannot put one among the new.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cxr_datasets import wording
from cxr_datasets.digests import short_digest
from cxr_datasets.errors import CacheError
from cxr_datasets.storage import own
from cxr_datasets.storage.addresses import shown
from cxr_datasets.storage.kept_files import FILES, UNFINISHED, KeptFiles
from cxr_datasets.storage.leftovers import remove_unfinished, unfinished_file
from cxr_datasets.storage.source import Stamp
from cxr_datasets.wording import get_logger

PLACES = "places"
"""What else is in the folder."""

_MOST_STAMPS = 1_000
_OPEN = stat.S_IRWXG | stat.S_IRWXO

_logger = get_logger(__name__)

Known = dict[str, list[Any]]
"""Path of a file -> its size and version."""


def private_folder(folder: str) -> str:
    """Make a folder that only this user can look into, and remove what killed runs left in it.

    Args:
        folder: It need not be there, nor those above it. It may be a link of this user's.

    Returns:
        Its path without links.

    Raises:
        CacheError: It cannot be made or written to, is another user's, or is open to others and
            cannot be closed.
    """
    try:
        own.make_folder(os.path.dirname(folder))
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        own.check_folder(folder)
        folder = os.path.realpath(folder)
        own.check_folder(folder, must_be_own=True)
        _close(folder)
        for name in (FILES, UNFINISHED, PLACES):
            os.makedirs(os.path.join(folder, name), 0o700, exist_ok=True)
        _clean(os.path.join(folder, UNFINISHED))
        with unfinished_file(os.path.join(folder, UNFINISHED, "probe")):
            pass  # a disk that takes no file refuses it now, and not in the middle of a training
    except OSError as error:
        raise folder_fault(folder, wording.said(error)) from error
    return folder


def folder_fault(folder: str, what: str) -> CacheError:
    """Build the error for a folder in which nothing can be kept.

    Args:
        folder: The folder.
        what: What is wrong, as a clause.
    """
    return CacheError(
        f"Images cannot be kept in {shown(folder)}: {what}. Check the permissions of the folder "
        "and of its disk, give a folder of your own as cache_folder=, or leave cache= out."
    )


def begin_place(files: KeptFiles, address: str, stamps: Mapping[str, Stamp]) -> str:
    """Find out where the files of a place are kept; begin anew if they changed in the store.

    Args:
        files: What is kept.
        address: Address of the place, without secrets.
        stamps: The state, now, of those of its files that were looked at, by path.

    Returns:
        Name of the folder of its files.

    Raises:
        CacheError: The disk refuses to write it down.
    """
    record = Path(files.folder, PLACES, f"{short_digest(address.encode())}.json")
    now: Known = {path: [stamp.size, stamp.version] for path, stamp in stamps.items()}
    try:
        with files.locked():  # or processes that start together would each begin for itself
            held = _read(record)
            known: Known = held.get("stamps", {})
            changed = [path for path in now if path in known and known[path] != now[path]]
            name = held.get("folder")
            if changed or name is None:
                name, known = uuid.uuid4().hex, {}
            merged = dict(list({**known, **now}.items())[-_MOST_STAMPS:])
            content = {"address": shown(address), "folder": name, "stamps": merged}
            if content != held:
                _write(record, content)
        if changed:
            files.drop(held["folder"])
            _logger.warning(
                "%s is another file now in %s than when its images were kept (%d of %d files that "
                "were looked at): all that was kept of it is removed, and fetched again",
                changed[0], shown(address), len(changed), len(now),
            )  # fmt: skip
    except OSError as error:
        raise folder_fault(files.folder, wording.said(error)) from error
    return name


def addresses_of(folder: str) -> dict[str, str]:
    """Give the address of each place of which files are kept, by the name of their folder."""
    held = (_read(record) for record in Path(folder, PLACES).glob("*.json"))
    return {each["folder"]: each["address"] for each in held if each}


def _close(folder: str) -> None:
    """Take from everybody else what a folder gives them.

    Raises:
        CacheError: It stays open.
    """
    if os.name == "nt":
        return
    with suppress(OSError):
        if os.stat(folder).st_mode & _OPEN:
            os.chmod(folder, 0o700)
    if os.stat(folder).st_mode & _OPEN:
        raise folder_fault(folder, "other users of this machine could read it, and it stays so")


def _clean(unfinished: str) -> None:
    remove_unfinished(unfinished)
    for entry in os.scandir(unfinished):
        if entry.is_dir(follow_symlinks=False):  # what was about to be removed
            shutil.rmtree(entry.path, ignore_errors=True)


def _read(record: Path) -> dict[str, Any]:
    """Read what is known of a place; nothing if it is no record, as after a power cut."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        with open(record, "rb", opener=own.open_file) as file:
            held = json.load(file)
        folder, address, stamps = held["folder"], held["address"], held["stamps"]
        is_name = uuid.UUID(hex=folder).hex == folder
        if is_name and isinstance(address, str) and isinstance(stamps, dict):
            return {"address": address, "folder": folder, "stamps": stamps}
    return {}


def _write(record: Path, content: dict[str, Any]) -> None:
    aside = os.path.join(record.parent.parent, UNFINISHED, record.stem)
    with unfinished_file(aside) as unfinished:
        with open(unfinished, "wb", opener=own.open_file) as file:
            file.write(json.dumps(content).encode())
        os.replace(unfinished, record)
