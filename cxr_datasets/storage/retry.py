"""What a failed request means, and the one loop in which requests are tried again."""

from __future__ import annotations

import asyncio
import errno
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn, TypeVar

from cxr_datasets.errors import StoreError
from cxr_datasets.storage.addresses import shown

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
LONGEST_IN_ALL = 180.0
"""Seconds: before the second try, between any two (each wait is twice the last), and in all."""

MOST_TRIES = 7

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
"""In the texts, and names, of errors that do not say it by a status."""


_T = TypeVar("_T")

Final = Callable[[Exception, int], Exception]
"""From what the last try raised, and the number of tries, to what is raised: it, or another."""


def is_passing(error: Exception) -> bool:
    """Whether the same request may well succeed a little later."""
    of_aiohttp = _names_in_aiohttp(error)
    if isinstance(error, (*NOT_THERE, PermissionError)) or "ClientSSLError" in of_aiohttp:
        return False
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


@dataclass
class Patience:
    """How long one thing is tried for: growing waits, and an end.

    Attributes:
        most_tries: How often it is tried.
        first_wait: Seconds before the second try; each later wait is twice the one before.
        longest_wait: Seconds between two tries, unless a server asks for more.
        longest_in_all: Seconds after which no wait may end.
        passes: Whether an error may be another after a while.
        tries: How often it was tried so far.
        began: When it began.
    """

    most_tries: int = field(default_factory=lambda: MOST_TRIES)
    first_wait: float = field(default_factory=lambda: FIRST_WAIT)
    longest_wait: float = field(default_factory=lambda: LONGEST_WAIT)
    longest_in_all: float = field(default_factory=lambda: LONGEST_IN_ALL)
    passes: Callable[[Exception], bool] = is_passing
    tries: int = 0
    began: float = field(default_factory=time.monotonic)

    def wait(self, error: Exception) -> float | None:
        """Seconds to wait before the next try; None to give up."""
        self.tries += 1
        if self.tries >= self.most_tries or not self.passes(error):
            return None
        growing = min(self.longest_wait, self.first_wait * 2 ** (self.tries - 1))
        wait = max(growing * random.uniform(0.75, 1.25), _retry_after(error))
        return wait if time.monotonic() - self.began + wait <= self.longest_in_all else None


def retried(call: Callable[[], _T], final: Final, patience: Patience | None = None) -> _T:
    """Call something until it succeeds, or until there is no use in it.

    Args:
        call: Does it.
        final: Gives the error to raise then. One with a cause is raised from that; any other from
            nothing: the texts of libraries' errors quote signed addresses.
        patience: How long to try; None: as long as a request to a store.
    """
    patience = patience or Patience()
    while True:
        try:
            return call()
        except Exception as error:
            wait = patience.wait(error)
            if wait is None:
                _give_up(error, final(error, patience.tries))
        time.sleep(wait)


async def retried_async(
    call: Callable[[], Awaitable[_T]], final: Final, patience: Patience | None = None
) -> _T:
    """As `retried`, of a coroutine."""
    patience = patience or Patience()
    while True:
        try:
            return await call()
        except Exception as error:
            wait = patience.wait(error)
            if wait is None:
                _give_up(error, final(error, patience.tries))
        await asyncio.sleep(wait)


def _give_up(error: Exception, told: Exception) -> NoReturn:
    if told is error:
        raise error
    raise told from told.__cause__


def status(error: BaseException) -> int | None:
    """The HTTP status an error of any file system stands for; None if it is of another kind."""
    for candidate in (error, getattr(error, "response", None)):
        for name in ("status", "status_code", "code"):
            value = getattr(candidate, name, None)
            if value is not None and str(value).isdecimal():
                return int(value)
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore's
        return response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return None


def _names_in_aiohttp(error: Exception) -> set[str]:
    """What of aiohttp an error is; by name, for to import it takes as long as all else here."""
    kinds = type(error).__mro__
    return {kind.__name__ for kind in kinds if kind.__module__.startswith("aiohttp.")}


def _is_without_ranges(error: Exception) -> bool:
    """Whether a whole file came for a part of it, as fsspec's files in HTTP say it."""
    return isinstance(error, ValueError) and "range requests" in str(error)


def _retry_after(error: Exception) -> float:
    """Seconds that the server asks for, as a number or a date; 0 if it does not."""
    answers: tuple[Any, ...] = (error, getattr(error, "response", None))
    headers: Any = next((a.headers for a in answers if getattr(a, "headers", None)), {})
    asked = headers.get("Retry-After")
    if not asked:
        return 0.0
    if asked.isdecimal():
        return float(asked)
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    except ValueError:
        return 0.0


def store_fault(address: str, error: Exception, tries: int, advice: str = "") -> StoreError:
    """Build the error for a request that failed for good.

    The texts of other libraries' errors are left out: they quote signed addresses and headers.

    Args:
        address: The file.
        error: What the last try raised.
        tries: How many there were.
        advice: What the store's own rules say of such an answer.
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
    times = f", {tries} times" if tries > 1 else ""
    return StoreError(
        f"{where} could not be read: {_answered(answer, error)}{times}. "
        f"{advice or 'Check the connection and whether the server is up, and start again.'}"
    )


def is_refusal(error: Exception) -> bool:
    """Whether the store, or who asks for a login to it, says that this user may not read."""
    if isinstance(error, PermissionError) or status(error) in (401, 403):
        return True
    if type(error.__cause__).__name__ == "RepositoryNotFoundError":  # the Hub's way to refuse
        return True
    text = str(error).lower()  # gcsfs and paramiko have plain errors for some
    if text.startswith("forbidden:") or any(part in text for part in _REFUSING_TEXTS):
        return True
    return any(name in type(error).__name__ for name in _REFUSING_NAMES)


def _answered(answer: int | None, error: Exception) -> str:
    if answer:
        return f"the server answered {answer}"
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        return "the server went silent (time-out)"
    if isinstance(error, EOFError):
        return "fewer bytes came than were asked for"
    if _is_without_ranges(error):
        return "the server sends whole files only, and an archive is read in parts"
    return f"{type(error).__name__}"
