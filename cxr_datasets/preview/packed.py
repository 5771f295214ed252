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

from cxr_datasets.columns import LABELS, VIEWS
from cxr_datasets.preview.kinds import IDS, label_sources
from cxr_datasets.preview.material import MOMENT, SPLIT, WORDS, Material
from cxr_datasets.tables.keys import combined, numbered

CODES = {1: 1, 0: 2, -1: 3}
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

_DAY = 86_400_000_000
"""Microseconds."""

_BITS = 31
"""Columns whose nulls one number of a row tells."""


@dataclass(frozen=True)
class Packed:
    """Columns of numbers, and what they mean.

    Attributes:
        columns: Name -> values, of type uint8 or uint32.
        meta: Names of the values, for the page.
        ids: `study_id` of each study, in the order of the columns. They are not in the page.
    """

    columns: dict[str, np.ndarray]
    meta: dict[str, Any]
    ids: np.ndarray

    def encoded(self) -> str:
        """All columns one after another, compressed, in base64."""
        content = b"".join(column.tobytes() for column in self._ordered().values())
        return base64.b64encode(zlib.compress(content)).decode()

    def layout(self) -> list[tuple[str, int, int]]:
        """Name, bytes of a value, and number of values of each column, in order."""
        return [(name, values.itemsize, len(values)) for name, values in self._ordered().items()]

    def _ordered(self) -> dict[str, np.ndarray]:
        """Numbers of four bytes first: so each begins where its type asks for."""
        return dict(sorted(self.columns.items(), key=lambda item: -item[1].itemsize))


def pack(material: Material) -> Packed:
    """Write what the figures of a dataset are counted from as numbers."""
    studies = _in_order(material)
    images = _images_in_order(material, studies)
    study = images.pop("study").to_numpy()
    patients = combined(studies["subject_id"]).to_numpy()
    begins = np.r_[True, patients[1:] != patients[:-1]][: len(patients)]
    sources = label_sources(studies.schema)
    splits = material.splits
    columns = {
        "images": np.bincount(study, minlength=len(studies)).astype(np.uint32),
        "begins": begins.astype(np.uint8),
        "split": _places(images["split"], splits),
        "view": _views(images),
    }
    for place, name in enumerate(sources):
        columns[f"states {place}"] = pack_states(combined(studies[name]))
    texts = []
    for place, name in enumerate(material.texts.names):
        columns[f"length {place}"], told = _binned(combined(studies[name]))
        texts.append({"name": name, "unit": WORDS, **told})
    has_dates = MOMENT in studies.column_names
    if has_dates:
        columns["gap"] = _gaps(combined(studies[MOMENT]), begins)
    missing = {}
    for kind, rows in (("image", images), ("study", _columns(studies))):
        found, missing[kind] = _nulls(rows, len(columns["split"] if kind == "image" else studies))
        columns |= {f"missing {kind} {word}": bits for word, bits in enumerate(found)}
    meta = {
        "splits": splits,
        "views": VIEWS,
        "labels": LABELS,
        "sources": sources,
        "texts": texts,
        "missing": missing,
        "gaps": ["none before", *GAPS.values()] if has_dates else [],
        "hasImages": material.images is not None,
    }
    return Packed(columns, meta, combined(studies["study_id"]).to_numpy())


def _in_order(material: Material) -> pa.Table:
    """A row for each study, by patient and time, with the lengths of its texts."""
    studies = material.studies
    lengths = material.texts.lengths
    for name in material.texts.names:
        studies = studies.append_column(name, lengths[f"{name}:{WORDS}"])
    _, first = numbered(combined(studies["study_id"]))  # one that is in two splits is one study
    studies = studies.take(first)
    keys = [name for name in ("subject_id", MOMENT, "study_id") if name in studies.column_names]
    return studies.take(pc.sort_indices(studies, [(name, "ascending") for name in keys]))


def _images_in_order(material: Material, studies: pa.Table) -> dict[str, pa.Array]:
    """The columns of the images, in the order of their studies, and `study`: the place of each."""
    images = material.images
    if images is None:  # a study of reports alone counts as one image of no known view
        images = material.studies.select(["study_id", SPLIT])
    study = pc.index_in(combined(images["study_id"]), combined(studies["study_id"]))
    order = pc.sort_indices(study)
    images = images.drop_columns([name for name in IDS if name in images.column_names])
    return {"study": study.take(order), **_columns(images.take(order))}


def _columns(rows: pa.Table) -> dict[str, pa.Array]:
    return {name: combined(rows[name]) for name in rows.column_names}


def pack_states(labels: pa.StructArray) -> np.ndarray:
    """Write the 14 labels of each study as one number: two bits a label, the first the lowest."""
    packed = np.zeros(len(labels), np.uint32)
    for place, name in enumerate(LABELS):
        values = pc.struct_field(labels, name)
        for value, code in CODES.items():
            has = pc.fill_null(pc.equal(values, value), False).to_numpy(zero_copy_only=False)
            packed |= has.astype(np.uint32) * np.uint32(code << 2 * place)
    packed[labels.is_null().to_numpy(zero_copy_only=False)] = UNLABELLED
    return packed


def _places(values: pa.Array, names: Sequence[str]) -> np.ndarray:
    return pc.index_in(values, pa.array(names)).to_numpy().astype(np.uint8)


def _views(images: Mapping[str, pa.Array]) -> np.ndarray:
    unknown = VIEWS.index("unknown")
    if "view" not in images:
        return np.full(len(images[SPLIT]), unknown, np.uint8)
    return pc.fill_null(images["view"], unknown).to_numpy().astype(np.uint8)


def _binned(lengths: pa.Array) -> tuple[np.ndarray, dict[str, int]]:
    """Lengths as numbers of bins, from 1 on; the last one has no end, and 0 is for no text."""
    values = pc.fill_null(lengths, 0).to_numpy()
    there = lengths.is_valid().to_numpy(zero_copy_only=False)
    longest = int(np.quantile(values[there], 0.995)) if there.any() else 0
    width = max(1, -(-(longest + 1) // _BINS))
    bins = np.minimum(values // width, _BINS) + 1
    return np.where(there, bins, 0).astype(np.uint8), {"width": width, "bins": _BINS + 2}


def _gaps(moments: pa.Array, begins: np.ndarray) -> np.ndarray:
    """The group of days since the study before, from 1 on; 0 where there is none, or no date."""
    known = moments.is_valid().to_numpy(zero_copy_only=False)
    days = pc.fill_null(moments.cast(pa.int64()), 0).to_numpy() // _DAY
    has = known & np.r_[False, known[:-1]] & ~begins
    group = np.searchsorted(list(GAPS), np.diff(days, prepend=0), side="right")
    return np.where(has, group, 0).astype(np.uint8)


def _nulls(columns: Mapping[str, pa.Array], length: int) -> tuple[list[np.ndarray], list[str]]:
    """Which columns are null in each row, as bits of numbers; and the columns' names."""
    names = [name for name in columns if name not in (SPLIT, MOMENT)]
    words = [np.zeros(length, np.uint32) for _ in range(-(-len(names) // _BITS))]
    for place, name in enumerate(names):
        null = columns[name].is_null().to_numpy(zero_copy_only=False)
        words[place // _BITS] |= null.astype(np.uint32) << np.uint32(place % _BITS)
    return words, names
