"""Whether a value is a whole number, as every option that counts something must be."""

from __future__ import annotations

import operator


def is_whole(value: object, least: int | None = None, most: int | None = None) -> bool:
    """Whether a value is a whole number within bounds, where there are any.

    NumPy's whole numbers are; True, False, and 1.0 are none.
    """
    if isinstance(value, bool):
        return False
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return False
    return (least is None or number >= least) and (most is None or number <= most)
