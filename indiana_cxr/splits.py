"""Splits of the Indiana studies, by `uid`, which is at once patient, study and report.

The release has no split of its own. Two are offered: the one on which most papers on report
generation compare, and one by a hash, which covers every study. Of the first there is a second
form, with just the two images of each study that those papers look at.
"""

from __future__ import annotations

import functools
import hashlib
from importlib import resources
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from cxr_datasets.columns import SPLITS

TRAIN, VALIDATION, TEST = SPLITS

_HASH_RANGE: Final = 2**64


def r2gen_split(uids: pa.Array | pa.ChunkedArray) -> pa.StringArray:
    """Look up each study in the split of R2Gen (Chen et al., EMNLP 2020, arXiv 2010.16056).

    It has 2,069 train, 296 validation and 590 test studies: exactly those with findings and at
    least two listed images. The other 896 of the 3,851 studies are in no split.

    Args:
        uids: n uids, integers, in any order, repeated or not.

    Returns:
        n strings: `train`, `validation`, `test`, or null for a uid that is null or not listed.
    """
    listed = _r2gen_list()
    position = pc.index_in(_integers(uids), value_set=listed["uid"].combine_chunks())
    return listed["split"].combine_chunks().take(position)


def hash_split(uids: pa.Array | pa.ChunkedArray) -> pa.StringArray:
    """Assign every study to train, validation or test, about 70 : 10 : 20, by a hash of its uid.

    The rule depends on nothing but the uid and must never change. To recompute it, take the
    SHA-256 of the ASCII text `indiana-cxr:<uid>` (uid in decimal, no leading zeros), read its first
    8 bytes as an unsigned big-endian integer `n`, and let `x = n / 2**64`, so that `0 <= x < 1`.
    Below 0.7 is train, below 0.8 validation, the rest test.

    Args:
        uids: n uids, integers, in any order, repeated or not.

    Returns:
        n strings: `train`, `validation` or `test`; null only for a null uid.
    """
    encoded = pc.dictionary_encode(_integers(uids))
    splits = pa.array(map(_hash_split_of, encoded.dictionary.to_pylist()), type=pa.string())
    return splits.take(encoded.indices)


def places_by_name(
    uids: pa.Array | pa.ChunkedArray, files: pa.Array | pa.ChunkedArray
) -> pa.Int64Array:
    """Number the images of each study in the order of their files' names, compared as text.

    R2Gen's copy of the images calls them `0.png`, `1.png` and so on, and its lists take the first
    two. How we know that the numbers follow the names stands in the card, README.md beside this
    file.

    Args:
        uids: n uids, integers, one an image, in any order.
        files: The n names of the files.

    Returns:
        n integers, from 0 in every study.
    """
    table = pa.table({"uid": _integers(uids), "file": files})
    order = np.asarray(pc.sort_indices(table, [("uid", "ascending"), ("file", "ascending")]))
    sorted_uids = np.asarray(table["uid"])[order]
    along = np.arange(len(order))
    is_first = np.append(True, sorted_uids[1:] != sorted_uids[:-1])[: len(order)]
    places = np.empty_like(along)
    places[order] = along - np.maximum.accumulate(np.where(is_first, along, 0))
    return pa.array(places)


def _hash_split_of(uid: int) -> str:
    digest = hashlib.sha256(f"indiana-cxr:{uid}".encode("ascii"), usedforsecurity=False).digest()
    number = int.from_bytes(digest[:8], "big")
    # In whole numbers, so that rounding cannot move a study across a limit.
    if number * 10 < 7 * _HASH_RANGE:
        return TRAIN
    return VALIDATION if number * 10 < 8 * _HASH_RANGE else TEST


@functools.cache
def _r2gen_list() -> pa.Table:
    """Read the list that comes with the package: `uid` int64, `split` string, a row a study."""
    content = resources.files("indiana_cxr").joinpath("r2gen_split.csv").read_bytes()
    types = {"uid": pa.int64(), "split": pa.string()}
    options = pa_csv.ConvertOptions(column_types=types, include_columns=list(types))
    return pa_csv.read_csv(pa.BufferReader(content), convert_options=options)


def _integers(uids: pa.Array | pa.ChunkedArray) -> pa.Int64Array:
    array = uids.combine_chunks() if isinstance(uids, pa.ChunkedArray) else uids
    return array.cast(pa.int64())


R2GEN_PAIRS: Final = "r2gen_pairs"
IMAGES_OF_PAIR: Final = 2

SPLITTERS: Final = {"r2gen": r2gen_split, R2GEN_PAIRS: r2gen_split, "hash": hash_split}
"""Value of the option `split_by` -> the function that gives each uid its split.

With `R2GEN_PAIRS`, only the first `IMAGES_OF_PAIR` of a study by `places_by_name` are in it.
"""
