"""What the page counts from, in few bytes: numbers of each study and each image, no id and no text.

A full release of 377,110 images of 227,835 studies takes a page of a few MB, so that every figure
follows every filter exactly. `page/counts.js` reads what is made here.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.columns import LABELS
from cxr_datasets.tables.keys import combined

POSITIVE, NEGATIVE, UNCERTAIN = 1, 2, 3
_CODES = {1: POSITIVE, 0: NEGATIVE, -1: UNCERTAIN}
"""A label's value -> its two bits in the number of a study; null, not mentioned, is 0."""

UNLABELLED = 1 << 28
"""The number of a study of which a source says nothing."""

GAPS = {
    0: "same day",
    1: "1 to 7 days",
    8: "8 to 30 days",
    31: "31 to 90 days",
    91: "91 to 365 days",
    366: "1 to 2 years",
    731: "over 2 years",
}
"""Fewest days of a group -> its name."""

_BINS = 250
"""Most bins of the lengths of a text; one byte a study, with 0 for no text."""

_BITS = 31
"""Columns whose nulls one number of a row tells."""


@dataclass(frozen=True)
class Packed:
    """Columns of numbers, and what they mean.

    Attributes:
        columns: Name -> values, of type uint8 or uint32.
        meta: Names of the values, for the page.
    """

    columns: dict[str, np.ndarray]
    meta: dict[str, Any]

    def encoded(self) -> str:
        """All columns one after another, compressed, in base64."""
        content = b"".join(column.tobytes() for column in self._ordered().values())
        return base64.b64encode(zlib.compress(content, 9)).decode()

    def layout(self) -> list[tuple[str, int, int]]:
        """Name, bytes of a value, and number of values of each column, in order."""
        return [(name, values.itemsize, len(values)) for name, values in self._ordered().items()]

    def _ordered(self) -> dict[str, np.ndarray]:
        """Numbers of four bytes first: so each begins where its type asks for."""
        return dict(sorted(self.columns.items(), key=lambda item: -item[1].itemsize))


def pack(
    images: pa.Table,
    studies: pa.Table,
    lengths: Mapping[str, tuple[pa.Array, str]],
    sources: Sequence[str],
    days: pa.Array | None,
    names: Mapping[str, Sequence[str]],
) -> Packed:
    """Write rows as numbers.

    Args:
        images: A row per image: `study_id`, `split` and `view` as positions, and other columns,
            whose nulls are counted.
        studies: A row per study: `study_id`, `subject_id`, the sources of labels, and others, whose
            nulls are counted.
        lengths: Text -> its length in each study, null for none, and the unit.
        sources: Columns of `studies` that hold labels.
        days: Day of each study, counted from any day; None: the dataset has no dates.
        names: `splits` and `views`: what the positions mean.
    """
    order, ranks = _orders(studies, days)
    images = images.take(_by_study(images, studies, ranks))
    studies = studies.take(order)
    patients = combined(studies["subject_id"]).to_numpy()
    begins = np.r_[True, patients[1:] != patients[:-1]][: len(patients)]
    columns = {
        "images": _images_each(images),
        "begins": begins.astype(np.uint8),
        "split": _positions(images["split"]),
        "view": _positions(images["view"]),
    }
    for place, name in enumerate(sources):
        columns[f"states {place}"] = pack_states(combined(studies[name]))
    texts = []
    for place, (name, (values, unit)) in enumerate(lengths.items()):
        columns[f"length {place}"], told = _binned(values.take(order))
        texts.append({"name": name, "unit": unit, **told})
    if days is not None:
        columns["gap"] = _gaps(days.take(order), begins)
    missing = {}
    for kind, rows in (("image", images), ("study", studies)):
        found, missing[kind] = _nulls(rows)
        columns |= {f"missing {kind} {word}": bits for word, bits in enumerate(found)}
    meta = {
        "labels": LABELS,
        "sources": list(sources),
        "texts": texts,
        "missing": missing,
        "gaps": ["none before", *GAPS.values()] if days is not None else [],
        **{kind: list(values) for kind, values in names.items()},
    }
    return Packed(columns, meta)


def pack_states(labels: pa.StructArray) -> np.ndarray:
    """Write the 14 labels of each study as one number: two bits a label, the first the lowest."""
    packed = np.zeros(len(labels), np.uint32)
    for place, name in enumerate(LABELS):
        values = pc.struct_field(labels, name)
        for value, code in _CODES.items():
            has = pc.fill_null(pc.equal(values, value), False).to_numpy(zero_copy_only=False)
            packed |= has.astype(np.uint32) * np.uint32(code << 2 * place)
    packed[labels.is_null().to_numpy(zero_copy_only=False)] = UNLABELLED
    return packed


def _orders(studies: pa.Table, days: pa.Array | None) -> tuple[np.ndarray, np.ndarray]:
    """The studies by patient and day, and the rank that each gets so."""
    keys = pa.table(
        {
            "subject": combined(studies["subject_id"]),
            "day": days if days is not None else pa.nulls(len(studies), pa.int32()),
            "study": combined(studies["study_id"]),
        }
    )
    by = [(name, "ascending") for name in keys.column_names]
    order = pc.sort_indices(keys, sort_keys=by).to_numpy()
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return order, ranks


def _by_study(images: pa.Table, studies: pa.Table, ranks: np.ndarray) -> np.ndarray:
    """The images in the order of their studies."""
    place = pc.index_in(combined(images["study_id"]), value_set=combined(studies["study_id"]))
    return np.argsort(ranks[place.to_numpy()], kind="stable")


def _images_each(images: pa.Table) -> np.ndarray:
    """How many images each study has, where they stand in the order of the studies."""
    ids = combined(images["study_id"]).to_numpy()
    starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]][: len(ids)])
    return np.diff(np.r_[starts, len(ids)]).astype(np.uint32)


def _positions(values: pa.ChunkedArray) -> np.ndarray:
    return combined(values).to_numpy().astype(np.uint8)


def _binned(lengths: pa.Array) -> tuple[np.ndarray, dict[str, int]]:
    """Lengths as numbers of bins, from 1 on; the last one has no end, and 0 is for no text."""
    values = pc.fill_null(lengths, 0).to_numpy()
    there = lengths.is_valid().to_numpy(zero_copy_only=False)
    longest = int(np.quantile(values[there], 0.995)) if there.any() else 0
    width = max(1, -(-(longest + 1) // _BINS))
    bins = np.minimum(values // width, _BINS) + 1
    return np.where(there, bins, 0).astype(np.uint8), {"width": width, "bins": _BINS + 2}


def _gaps(days: pa.Array, begins: np.ndarray) -> np.ndarray:
    """The group of days since the study before, from 1 on; 0 where there is none, or no date."""
    known = days.is_valid().to_numpy(zero_copy_only=False)
    values = pc.fill_null(days, 0).to_numpy().astype(np.int64)
    has = known & np.r_[False, known[:-1]] & ~begins
    group = np.searchsorted(list(GAPS), np.diff(values, prepend=0), side="right")
    return np.where(has, group, 0).astype(np.uint8)


def _nulls(rows: pa.Table) -> tuple[list[np.ndarray], list[str]]:
    """Which of the columns are null in each row, as bits of numbers; and the columns' names."""
    names = rows.column_names
    words = [np.zeros(len(rows), np.uint32) for _ in range(-(-len(names) // _BITS))]
    for place, name in enumerate(names):
        null = combined(rows[name]).is_null().to_numpy(zero_copy_only=False)
        words[place // _BITS] |= null.astype(np.uint32) << np.uint32(place % _BITS)
    return words, names
