"""The four states of a label, and how each looks: by a sign as well as by a colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cxr_datasets.columns import LABELS


@dataclass(frozen=True)
class State:
    """What a label says of a study.

    Attributes:
        name: In words.
        value: As the column holds it; None is null.
        sign: One character, for those who see no colours and for print.
        light: Colour of its text on a light ground.
        dark: Colour of its text on a dark ground.
    """

    name: str
    value: int | None
    sign: str
    light: str
    dark: str

    @property
    def key(self) -> str:
        """Its name as a name of a column, a class of CSS or a key of JSON."""
        return self.name.replace(" ", "_")


POSITIVE = State("positive", 1, "+", "#9c1c00", "#ffab97")
NEGATIVE = State("negative", 0, "\u2212", "#0a4f7d", "#9dd0f5")
UNCERTAIN = State("uncertain", -1, "?", "#6b4700", "#f0c35c")
NOT_MENTIONED = State("not mentioned", None, "\u00b7", "#565656", "#b4b4b4")

STATES = (POSITIVE, NEGATIVE, UNCERTAIN, NOT_MENTIONED)
"""All of them, in the order of tables. The colours are told apart with every kind of colour
blindness that is usual, and have a contrast of at least 7 to 1 (WCAG AAA) with `LIGHT` and
`DARK`."""

LIGHT, DARK = "#ffffff", "#16181b"
"""The grounds that the colours are for."""


def states_of(labels: Mapping[str, Any] | None) -> dict[str, State]:
    """Give the state of each of the 14 labels of a study.

    Args:
        labels: A row's struct of labels. Null, or a struct that lacks labels: these are not
            mentioned.

    Returns:
        Label -> its state, in the order of `LABELS`. A value that is none of the four counts as
        not mentioned.
    """
    by_value = {state.value: state for state in STATES}
    given = labels or {}
    return {name: by_value.get(_plain(given.get(name)), NOT_MENTIONED) for name in LABELS}


def _plain(value: Any) -> int | None:
    """A value as a number: formats give scalars of NumPy or torch, and NaN for null."""
    if value is None or value != value:  # NaN alone differs from itself
        return None
    return int(value)
