"""What a fault of the place that an export is written to means, in words."""

from __future__ import annotations

import errno
import os
import socket

from cxr_datasets import wording
from cxr_datasets.storage import addresses, own
from cxr_datasets.storage.cache import NO_ROOM
from cxr_datasets.storage.faults import is_refusal

_IN_THE_WAY = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ELOOP)


def told(root: str, address: str, done: str, error: Exception) -> str:
    """Say what could not be done, why, and what to do next.

    Args:
        root: The folder of the export.
        address: The file in it.
        done: What was being done to the file, such as `written`.
        error: What the system or a library raised.
    """
    # A folder above the file may be what is wrong.
    where = addresses.shown(error.filename if isinstance(error, own.NotOurs) else address)
    number = error.errno if isinstance(error, OSError) else None
    if number in NO_ROOM:
        return (
            f"{where} could not be {done}: {os.strerror(number or 0)}. Make room and run "
            "the same command again: it goes on with the files that are not there yet."
        )
    if is_refusal(error):
        return (
            f"{where} may not be {done}: permission denied. Check the permissions, or the "
            "credentials: out_options=, or the store's own default chain."
        )
    # The text of a store's error may quote a signed address.
    is_local = not addresses.is_remote(root)
    reason = wording.said(error) if is_local and number else ""
    if isinstance(error, own.NotOurs):
        what = reason
    else:
        what = f"{type(error).__name__}{f': {reason}' if reason else ''}"
    return f"{where} could not be {done}: {what}. {_next_step(root, is_local, number)}"


def _next_step(root: str, is_local: bool, number: int | None) -> str:
    if number in _IN_THE_WAY:
        return "Remove what stands in the way there, or give another folder."
    if number == errno.ENOENT and is_local:
        return (
            f"Is {root} there on {socket.gethostname()}? All machines that write must see it under "
            "this path."
        )
    return "Run the command again."
