"""What a failed request means: try again, the file is not there, or tell the user what to do."""

from __future__ import annotations

import asyncio
import errno
import time
from email.utils import parsedate_to_datetime
from typing import Any

from cxr_datasets import limits
from cxr_datasets.errors import StoreError
from cxr_datasets.storage.addresses import shown
from cxr_datasets.storage.pages import PageError

NOT_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)

_PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_PASSING_ERRORS = frozenset(
    {errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH,
     errno.ENETDOWN, errno.ENETUNREACH, errno.EPIPE, errno.ETIMEDOUT}
)  # fmt: skip
_PASSING_MODULES = ("botocore.exceptions", "httpx", "httpx2", "httpcore", "requests.exceptions",
                    "paramiko.ssh_exception")  # fmt: skip
_PASSING_NAMES = ("Connect", "Timeout", "Protocol", "ReadError", "WriteError", "HTTPClientError",
                  "ChunkedEncoding", "NetworkError", "IncompleteRead", "SSHException")  # fmt: skip
_PASSING_TEXTS = ("slowdown", "slow down", "throttl", "too many requests", "internalerror",
                  "socket is closed", "server connection dropped")  # fmt: skip

_REFUSING_TEXTS = ("requester pays", "no authentication methods")
_REFUSING_NAMES = ("Credential", "Authentication", "GoogleAuth", "RefreshError", "TokenRetrieval",
                   "UnauthorizedSSO")  # fmt: skip
"""Parts of the texts and class names of errors that have no HTTP status."""

_LOG_IN = (
    "Servers, and proxies before them, send such a page without a login, or once it has run out: "
    "log in again, and open the address in a browser to see what the page says."
)


def is_passing(error: Exception) -> bool:
    """Whether the same request may succeed a little later."""
    of_aiohttp = _names_in_aiohttp(error)
    if isinstance(error, (*NOT_THERE, PermissionError)) or "ClientSSLError" in of_aiohttp:
        return False
    if isinstance(error, PageError):
        return True
    if status(error):
        return status(error) in _PASSING_STATUS
    if is_refusal(error):
        return False
    if isinstance(error, (asyncio.TimeoutError, TimeoutError, EOFError)):
        return True
    if "ClientError" in of_aiohttp or _is_without_ranges(error):
        return True
    kind = type(error)
    if kind.__module__.startswith(_PASSING_MODULES):
        return any(name in kind.__name__ for name in _PASSING_NAMES)
    if isinstance(error, OSError):
        text = str(error).lower()
        return error.errno in _PASSING_ERRORS or any(name in text for name in _PASSING_TEXTS)
    return False


def is_refusal(error: Exception) -> bool:
    """Whether the store refuses this user, or whatever fetches its login fails."""
    if isinstance(error, PermissionError) or status(error) in (401, 403):
        return True
    if type(error.__cause__).__name__ == "RepositoryNotFoundError":  # the Hub's way to refuse
        return True
    text = str(error).lower()  # all that some errors of gcsfs and paramiko have
    if text.startswith("forbidden:") or any(part in text for part in _REFUSING_TEXTS):
        return True
    return any(name in type(error).__name__ for name in _REFUSING_NAMES)


def is_absent_entry(error: Exception) -> bool:
    """Whether the Hub has no such file in a repository that it has.

    Before its version 1, huggingface_hub tells so of a folder that is not there either by an error
    of HTTP, and not as other file systems do.
    """
    return any(kind.__name__ == "EntryNotFoundError" for kind in type(error).__mro__)


def status(error: BaseException) -> int | None:
    """The HTTP status that an error of any file system holds; None if it holds none."""
    for candidate in (error, getattr(error, "response", None)):
        for name in ("status", "status_code", "code"):
            value = getattr(candidate, name, None)
            if value is not None and str(value).isdecimal():
                return int(value)
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore's
        return response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return None


def retry_after(error: Exception) -> float:
    """Seconds that a server asks us to wait, which it gives as a number or a date; or 0."""
    answers: tuple[Any, ...] = (error, getattr(error, "response", None))
    headers: Any = next((a.headers for a in answers if getattr(a, "headers", None)), {})
    asked = headers.get("Retry-After")
    if not asked:
        return 0.0
    if asked.isdecimal():
        return float(asked)
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def store_fault(address: str, error: Exception, tries: int, advice: str = "") -> StoreError:
    """Build the error for a request that failed for good.

    It does not quote other libraries' errors, which hold signed addresses and headers.

    Args:
        address: The file.
        error: What the last try raised.
        tries: Number of tries.
        advice: What to do next, where the store is known. Empty: general advice.
    """
    where = shown(address)
    answer = status(error)
    if is_refusal(error):
        advice = advice or (
            "Check the credentials (storage_options=, or the store's own default chain) and that "
            "they may read this place; in a bucket where the requester pays, the options that say "
            "who pays."
        )
        refusal = StoreError(f"{where} may not be read: {_answered(answer, error)}. {advice}")
        refusal.refused = True
        return refusal
    if isinstance(error, PageError):
        advice = f"{_LOG_IN} {advice}".rstrip()
    times = f", {tries} times" if tries > 1 else ""
    wait = retry_after(error)
    if wait > limits.LONGEST_RETRY:
        times += (
            f", and asks to be left alone for {wait:,.0f} seconds; at most "
            f"{limits.LONGEST_RETRY:,.0f} are waited here (cxr_datasets.limits.LONGEST_RETRY)"
        )
        advice = advice or "Start again when they are over."
    return StoreError(
        f"{where} could not be read: {_answered(answer, error)}{times}. "
        f"{advice or 'Check the connection and whether the server is up, and start again.'}"
    )


def _answered(answer: int | None, error: Exception) -> str:
    if answer:
        return f"the server answered {answer}"
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        return "the server went silent (time-out)"
    if isinstance(error, EOFError):
        return "fewer bytes came than were asked for"
    if isinstance(error, PageError):
        return str(error)
    if _is_without_ranges(error):
        return "the server sends whole files only, and an archive is read in parts"
    return f"{type(error).__name__}"


def _names_in_aiohttp(error: Exception) -> set[str]:
    """Names of an error's classes in aiohttp, which is not imported here: that is slow."""
    kinds = type(error).__mro__
    return {kind.__name__ for kind in kinds if kind.__module__.startswith("aiohttp.")}


def _is_without_ranges(error: Exception) -> bool:
    """Whether fsspec says that the server sent a whole file where a part was asked for."""
    return isinstance(error, ValueError) and "range requests" in str(error)
