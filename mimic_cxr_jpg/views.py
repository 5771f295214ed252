"""From DICOM's ViewPosition to the four normalised views, and the order of a study's images."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.columns import VIEWS

VIEW_POSITIONS = {
    "PA": "frontal",
    "AP": "frontal",
    "AP AXIAL": "frontal",
    "AP LLD": "frontal",
    "AP RLD": "frontal",
    "PA LLD": "frontal",
    "PA RLD": "frontal",
    "LATERAL": "lateral",
    "LL": "lateral",
    "XTABLE LATERAL": "lateral",
    "SWIMMERS": "lateral",
    "LAO": "oblique",
    "RAO": "oblique",
    "LPO": "oblique",
    "RPO": "oblique",
}
"""ViewPosition -> normalised view. A blank, or anything else, is `unknown`."""

_FIRST = ("PA", "AP")
_PLAIN_LATERALS = ("LATERAL", "LL")
_OTHER_FRONTAL, _PLAIN_LATERAL, _OTHER = 2, 3, 4


def normalised_views(view_position: pa.Array) -> pa.Array:
    """Normalise a column of ViewPosition.

    Args:
        view_position: Strings; null where the release leaves it blank.

    Returns:
        int64 array of positions in `VIEWS`.
    """
    positions = {raw: VIEWS.index(view) for raw, view in VIEW_POSITIONS.items()}
    return _look_up(view_position, positions, otherwise=VIEWS.index("unknown"))


def view_ranks(view_position: pa.Array) -> pa.Array:
    """Rank images within a study: PA, AP, other frontal, LATERAL and LL, other, unknown.

    Args:
        view_position: Strings; null where the release leaves it blank.

    Returns:
        int64 array, 0 for the best view.
    """
    ranks = {raw: _rank(raw, view) for raw, view in VIEW_POSITIONS.items()}
    return _look_up(view_position, ranks, otherwise=_OTHER + 1)


def _rank(raw: str, view: str) -> int:
    if raw in _FIRST:
        return _FIRST.index(raw)
    if view == "frontal":
        return _OTHER_FRONTAL
    return _PLAIN_LATERAL if raw in _PLAIN_LATERALS else _OTHER


def _look_up(view_position: pa.Array, values: dict[str, int], otherwise: int) -> pa.Array:
    row = pc.index_in(view_position, value_set=pa.array(list(values)))
    return pc.fill_null(pa.array(list(values.values()), pa.int64()).take(row), otherwise)
