"""Which images some rows need, in the order in which they are read: row by row.

Of each row its own images come first, then those of earlier studies, where they are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder import priors
from cxr_datasets.columns import plural
from cxr_datasets.tables.keys import combined, null_where

_T = TypeVar("_T")


@dataclass(frozen=True)
class Images:
    """Images of one kind, of some rows, in order.

    Attributes:
        ids: Their `image_id`s.
        paths: Their paths in the release; null where there is none.
        present: Whether the file of each is there; None where that is not known.
        counts: How many each row has.
    """

    ids: pa.Array
    paths: pa.Array
    present: pa.Array | None
    counts: np.ndarray

    @property
    def exists(self) -> pa.Array | None:
        """Mark those that exist; None where that is not known."""
        if not self.paths.null_count:
            return self.present
        has_path = self.paths.is_valid()
        return has_path if self.present is None else pc.and_(has_path, self.present)


def own_images(rows: pa.Table) -> Images:
    """The images of rows of config `images` or `studies`."""
    if "path" in rows.column_names:
        present = combined(rows["present"]) if "present" in rows.column_names else None
        ids, paths = (combined(rows[name]) for name in ("image_id", "path"))
        return Images(ids, paths, present, np.ones(rows.num_rows, np.int64))
    return _in_lists(rows, *map(plural, ("image_id", "path", "present")))


def earlier_images(rows: pa.Table) -> Images:
    """The images of the earlier studies of rows."""
    return _in_lists(rows, priors.IDS, priors.PATHS, priors.PRESENT)


def _in_lists(rows: pa.Table, ids: str, paths: str, present: str) -> Images:
    return Images(
        combined(rows[ids]).flatten(),
        combined(rows[paths]).flatten(),
        combined(rows[present]).flatten() if present in rows.column_names else None,
        pc.list_value_length(combined(rows[paths])).to_numpy(),
    )


@dataclass(frozen=True)
class InOrder:
    """Images of two kinds, put together row by row.

    Attributes:
        own: Those of the rows themselves; None if they are not looked at.
        earlier: Those of earlier studies; None if they are not looked at.
    """

    own: Images | None
    earlier: Images | None

    @property
    def _parts(self) -> list[Images]:
        return [part for part in (self.own, self.earlier) if part is not None]

    @property
    def ends(self) -> np.ndarray:
        """Count the images of each row and of all rows before it together."""
        return np.cumsum(sum(part.counts for part in self._parts))

    def _order(self) -> np.ndarray:
        """Places of the images in all own ones followed by all earlier ones."""
        row = [np.repeat(np.arange(len(part.counts)), part.counts) for part in self._parts]
        return np.argsort(np.concatenate(row), kind="stable")

    def paths(self) -> pa.Array:
        """Paths in the release of those that exist, as far as that is known; else null."""
        found = [
            part.paths if part.exists is None else null_where(pc.invert(part.exists), part.paths)
            for part in self._parts
        ]
        if len(found) == 1:
            return found[0]
        return pa.concat_arrays(found).take(pa.array(self._order()))

    def divided(self, values: Sequence[_T]) -> tuple[list[_T], list[_T]]:
        """Divide what came of the images, in order, into that of the own and of the earlier."""
        if len(self._parts) == 1:
            return (list(values), []) if self.own is not None else ([], list(values))
        assert self.own is not None
        own = int(self.own.counts.sum())
        divided: tuple[list[_T], list[_T]] = ([], [])
        for value, place in zip(values, self._order().tolist(), strict=True):
            divided[place >= own].append(value)
        return divided
