"""Before rows with an agreement are sent to the Hub, look who could see them there.

`push_to_hub` makes a public repository unless it is told otherwise, and fills a public one as it
is. Importing a package of ours puts a look before each call of `datasets` that writes to the Hub.
Rows of other datasets go as before.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict

from cxr_datasets.hooks.agreements import agreements_of
from cxr_datasets.hooks.replacing import replace_once
from cxr_datasets.hooks.visibility import Place
from cxr_datasets.wording import get_logger

_logger = get_logger(__name__)

_anywhere: ContextVar[list[str] | None] = ContextVar("anywhere", default=None)
"""Within `push_anywhere`: the places that were told of."""


def teach_push_to_look() -> None:
    """Let every later call look first. Again changes nothing."""
    for kind in (Dataset, DatasetDict, IterableDataset, IterableDatasetDict):
        replace_once(kind, "push_to_hub", _looking_before_a_push)
    for kind in (Dataset, IterableDataset):
        for name in ("to_csv", "to_json", "to_parquet"):
            replace_once(kind, name, _looking_before_a_file)
    for kind in (Dataset, DatasetDict):
        replace_once(kind, "save_to_disk", _looking_before_a_file)


@contextmanager
def push_anywhere() -> Iterator[None]:
    """Let rows that carry an agreement go to public places of the Hub, on your own account.

    It is meant for rows that fall under no agreement any more, or never did: numbers that say
    nothing of a patient, or an invented release. What is sent so is told in the log, once for
    each place.

    Examples:
        >>> with push_anywhere():
        ...     counts.push_to_hub("you/counts")  # doctest: +SKIP
    """
    token = _anywhere.set([])
    try:
        yield
    finally:
        _anywhere.reset(token)


def check_address(address: Any, options: Mapping[str, Any] | None, agreement: str | None) -> None:
    """Look at an address before rows with an agreement are written there.

    Args:
        address: Of a file or folder; one that is not on the Hub is not looked at.
        options: Options of its store.
        agreement: Address of the agreement; None: the rows have none.

    Raises:
        HubError: Others can see the place.
    """
    place = _place(address, options) if agreement else None
    if place is not None and agreement:
        _check(place, [agreement])


def _looking_before_a_push(original: Any) -> Any:
    return _looking_first(original, _place_of_push)


def _looking_before_a_file(original: Any) -> Any:
    return _looking_first(original, _place_of_file)


def _looking_first(original: Any, place_of: Callable[[dict[str, Any]], Place | None]) -> Any:
    signature = inspect.signature(original)

    @wraps(original)
    def look_and_send(self: Any, *args: Any, **kwargs: Any) -> Any:
        agreements = agreements_of(self)
        if agreements:
            try:
                given = signature.bind(self, *args, **kwargs).arguments
            except TypeError:  # the call itself says what is wrong
                given = {}
            place = place_of(given)
            if place is not None:
                _check(place, agreements)
        return original(self, *args, **kwargs)

    return look_and_send


def _check(place: Place, agreements: list[str]) -> None:
    told = _anywhere.get()
    if told is None:
        place.check_private(agreements)
    elif place.id not in told:
        told.append(place.id)
        _logger.warning(
            "push_anywhere: rows that fall under %s go to %s, and nobody looks who can see them.",
            " and ".join(agreements),
            place.id,
        )


def _place_of_push(given: dict[str, Any]) -> Place | None:
    repo_id = given.get("repo_id")
    if not isinstance(repo_id, str):
        return None
    return Place.of_push(repo_id, given.get("private"), given.get("token"))


def _place_of_file(given: dict[str, Any]) -> Place | None:
    paths = (given.get(name) for name in ("path_or_buf", "dataset_path", "dataset_dict_path"))
    return _place(next(filter(None, paths), None), given.get("storage_options"))


def _place(address: Any, options: Mapping[str, Any] | None) -> Place | None:
    if not isinstance(address, (str, os.PathLike)):
        return None
    return Place.of_address(os.fspath(address), options or {})
