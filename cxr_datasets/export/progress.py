"""The progress bars of an export and of its verification, and how often they are told."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import datasets
from tqdm import tqdm

_SECONDS_BETWEEN_SIGNS = 1.0


def seldom(tell: Callable[[str, int], object]) -> Callable[[str, int], None]:
    """Let a worker say how far it is about once a second: each time costs a message.

    Args:
        tell: Takes the name of a file and the number of its images written so far.
    """
    said = 0.0

    def tell_seldom(name: str, images: int) -> None:
        nonlocal said
        if time.monotonic() - said >= _SECONDS_BETWEEN_SIGNS:
            said = time.monotonic()
            tell(name, images)

    return tell_seldom


class Bar:
    """A progress bar over images, with their rate and the time left.

    The images of a file that is begun anew, because its worker was lost, count once.
    """

    def __init__(self, unit: str, total: int, finished: int, shown: bool):
        """Show the bar.

        Args:
            unit: What is counted, such as `images`.
            total: How many there are.
            finished: How many an earlier run wrote; the rate leaves them out.
            shown: Whether there is a bar at all.
        """
        self._bar = _bar("export", shown, total=total, initial=finished, unit=f" {unit}")
        self._written: dict[str, int] = {}

    def __call__(self, name: str, images: int) -> None:
        """Note how many images of a file are written."""
        self._bar.update(images - self._written.get(name, 0))
        self._written[name] = images

    def close(self) -> None:
        """Leave the bar on the screen as it is."""
        self._bar.close()


def bar_of_bytes(done: str, total: int, shown: bool) -> tqdm:
    """Show a bar over bytes.

    Args:
        done: What is done to them, for the beginning of the line.
        total: How many there are.
        shown: Whether there is a bar at all.
    """
    return bar_of(done, total, "B", shown)


def bar_of(done: str, total: int | None, unit: str, shown: bool) -> tqdm:
    """Show a bar over bytes (`B`), or over anything else, with its rate and the time left."""
    if unit == "B":
        return _bar(done, shown, total=total, unit=unit, unit_scale=True)
    return _bar(done, shown, total=total, unit=f" {unit}")


def _bar(done: str, shown: bool, **what: Any) -> tqdm:
    disabled = datasets.are_progress_bars_disabled()  # by the user, for all of `datasets`
    interval = 0.2 if sys.stderr.isatty() else 10.0  # a log file keeps every line
    return tqdm(
        **what, desc=done, disable=not shown or disabled, mininterval=interval, dynamic_ncols=True
    )
