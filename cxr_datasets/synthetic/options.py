"""Checks of the options that every writer of an invented release has."""

from __future__ import annotations

from collections.abc import Collection

from cxr_datasets.counts import is_whole
from cxr_datasets.errors import OptionError


def check_choice(option: str, value: object, allowed: Collection[object]) -> None:
    """Raise `OptionError`, naming the allowed values, unless `value` is one of them."""
    if value not in allowed:
        raise OptionError.unknown(option, value, allowed)


def check_count(option: str, value: int, *, low: int, high: int) -> None:
    """Raise `OptionError` unless `value` is a whole number in `low`..`high`, both included."""
    if not is_whole(value, low, high):
        raise OptionError(f"{option} must be a whole number from {low} to {high}, not {value!r}.")


def check_scale(value: float) -> None:
    """Raise `OptionError` unless `value`, a share of the real image size, is in 1/64..1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 / 64 <= value <= 1:
        raise OptionError(f"scale must be a number from 1/64 to 1, not {value!r}.")
