"""Requests to the Hub: repeated after a passing fault, explained after any other.

No message quotes those of the client, which hold signed addresses.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled

from cxr_datasets.errors import HubError
from cxr_datasets.storage.addresses import shown_in
from cxr_datasets.storage.faults import is_passing, status
from cxr_datasets.storage.retry import retried

_T = TypeVar("_T")

TOKENS = "https://huggingface.co/settings/tokens"

_AGAIN = "Run the same command again: what has arrived is not sent again."
_LOGIN = (
    "Log in with `hf auth login`, or set HF_TOKEN, which comes first, to a token that may write "
    f"({TOKENS})."
)
_CONFLICTS = (409, 412)
"""What the Hub answers where another commit is being made, or was made since."""

_CLIENTS = ("huggingface_hub", "httpx", "httpx2")


def ask(repo: str, doing: str, call: Callable[[], _T]) -> _T:
    """Send the Hub a request that may be sent twice.

    Args:
        repo: The repository, for messages.
        doing: What the request is for, such as "sending files", for messages.
        call: Sends the request.

    Returns:
        What `call` returns.

    Raises:
        HubError: The Hub refuses the request, or cannot be reached after several tries.
    """

    def final(error: Exception, tries: int) -> Exception:
        if isinstance(error, HubError):
            return error
        told = hub_error(repo, doing, error)
        # The message says what the Hub answered; the error also holds signed addresses.
        told.__cause__ = None if status(error) else error
        return told

    return retried(call, final)


def hub_error(repo: str, doing: str, error: Exception) -> HubError:
    """Build the error for a request that failed for good.

    Args:
        repo: The repository.
        doing: What the request was for.
        error: What the last try raised.
    """
    answer = status(error)
    if isinstance(error, LocalTokenNotFoundError):
        return HubError(f"{repo} cannot be written to without a token, and none is set. {_LOGIN}")
    if isinstance(error, OfflineModeIsEnabled):
        return HubError(
            f"{repo} cannot be reached: HF_HUB_OFFLINE is set. Unset it and run the command again."
        )
    if isinstance(error, ValueError) and "metadata" in str(error):
        return HubError(
            f"The Hub refuses the card of the export for {repo}: the head of README.md is not "
            "valid. Run its `cxr export` command again, which writes it anew."
        )
    where = f"{repo}: {doing} failed"
    if answer == 401:
        return HubError(f"{where}: the Hub does not know the token (401). {_LOGIN}")
    if answer in (402, 403, 413):
        return HubError(
            f"{where}: the Hub refuses it ({answer}{_said(error)}). The token needs the right to "
            f"write to this repository ({TOKENS}), and its owner needs room for private files."
        )
    if answer == 404:
        return HubError(
            f"{where}: the Hub does not find it (404), or does not show it to this token. Check "
            "the name and what the token may see."
        )
    if answer in _CONFLICTS:
        conflict = HubError(
            f"{where} again and again: other commits came in between ({answer}). Somebody else, or "
            f"another run of this command, writes into {repo} too. Nothing of theirs was "
            f"overwritten. Let them finish, and look at its commits. {_AGAIN}"
        )
        conflict.conflict = True
        return conflict
    if answer is not None and is_passing(error):
        why = "too many requests" if answer == 429 else "an error of the Hub itself"
        return HubError(f"{where} again and again: {why} ({answer}). Wait a while. {_AGAIN}")
    if answer is not None:
        return HubError(f"{where}: the Hub answers {answer}{_said(error)}. {_AGAIN}")
    if is_passing(error):
        return HubError(
            f"{where} again and again: no answer ({type(error).__name__}). Check the connection. "
            f"{_AGAIN}"
        )
    return HubError(f"{where}: {type(error).__name__}. {_AGAIN}")


def _said(error: Exception) -> str:
    """Return what the Hub itself says about an error."""
    said = error.server_message if isinstance(error, HfHubHTTPError) else None
    return f": {' '.join(said.split())[:200].rstrip('.')}" if said else ""


@contextmanager
def without_signatures() -> Iterator[None]:
    """Cut the queries of addresses, which hold signatures, from what the clients log."""
    loggers = [logging.getLogger(name) for name in _CLIENTS]
    filtered = [*loggers, *(handler for logger in loggers for handler in logger.handlers)]
    for each in filtered:
        each.addFilter(_cut_queries)
    try:
        yield
    finally:
        for each in filtered:
            each.removeFilter(_cut_queries)


def _cut_queries(record: logging.LogRecord) -> bool:
    record.msg, record.args = shown_in(record.getMessage()), None
    return True
