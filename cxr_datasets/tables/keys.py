"""Join rows of different tables: by key only, never by their order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets import wording
from cxr_datasets.errors import TableError
from cxr_datasets.tables.characters import text_bytes

if TYPE_CHECKING:
    from cxr_datasets.tables.table import Table

_WORD = 8
_ODD = np.uint64(0x9E37_79B9_7F4A_7C15)
"""Bytes that enter a digest at once, and the factor between them: any large odd number."""


def combined(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Give a column as one array."""
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return column


def null_where(mask: pa.ChunkedArray | pa.Array, values: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Give values with null in the place of those that a mask marks.

    `pc.if_else` with a null is not used for this: in pyarrow 18 to 21, and perhaps later, it gives
    zero bytes for texts that are a slice of an array or in chunks.

    Args:
        mask: n booleans. Where one is null, so is the value.
        values: n numbers, texts or bytes.

    Returns:
        n values of the same type.
    """
    values = combined(values)
    return pc.replace_with_mask(values, combined(mask), pa.scalar(None, values.type))


def find_rows(keys: pa.Array, table: Table, column: str) -> pa.Array:
    """Find the row of a table that has each key.

    Args:
        keys: Keys of the rows to be completed.
        table: Table whose `column` is unique.
        column: Name of its key column.

    Returns:
        Integer array as long as `keys`; null where no row has the key.
    """
    return find_keys(keys, table[column])


def find_keys(keys: pa.Array, values: pa.Array) -> pa.Array:
    """Find the place of each key among some values; null where it is none of them."""
    places = _find_digests(keys, values) if pa.types.is_string(keys.type) else None
    return pc.index_in(keys, value_set=values) if places is None else places


def _find_digests(keys: pa.Array, values: pa.Array) -> pa.Array | None:
    """`find_keys` for strings of one length, in a third of the time; else None."""
    digests = _digests(keys)
    if digests is None:
        return None
    alike, known = None, _digests(values)
    if known is None:
        length = pc.binary_length(keys[0])
        alike = pc.indices_nonzero(pc.equal(pc.binary_length(values), length))
        values = values.take(alike)
        known = _digests(values)
    if known is None:
        return None if len(values) else pa.nulls(len(keys), pa.int64())
    places = pc.index_in(digests, value_set=known)
    # Different strings may have the same digest, though hardly ever.
    same = pc.all(pc.equal(keys, values.take(places))).as_py()
    if same is False:
        return None
    return pc.cast(places if alike is None else alike.take(places), pa.int64())


def _digests(keys: pa.Array) -> pa.Array | None:
    """Give each of some strings a number that depends on its text.

    Returns:
        n uint64; None if the strings are not all of one length, of eight bytes at least, or one is
        null.
    """
    texts = None if keys.null_count or not len(keys) else text_bytes(keys)
    if texts is None or (length := texts.shape[1]) < _WORD:
        return None
    digests = np.zeros(len(keys), np.uint64)
    for first in (*range(0, length - _WORD, _WORD), length - _WORD):
        # The same word of each key, where it stands: a copy would take most of the time.
        words = np.ndarray(len(keys), np.uint64, texts, first, (length,))
        np.multiply(digests, _ODD, out=digests)
        digests += words
    return pa.array(digests)


def all_differ(keys: pa.Array) -> bool:
    """Whether no string or number stands twice; null counts as one.

    Comparing digests takes a third of the time that comparing long strings does.
    """
    is_number = pa.types.is_integer(keys.type) and not keys.null_count
    numbers = keys if is_number else _digests(keys) if pa.types.is_string(keys.type) else None
    if numbers is not None:
        in_order = np.sort(numbers.to_numpy())
        if bool(np.all(in_order[1:] != in_order[:-1])):
            return True
    return pc.count_distinct(keys, mode="all").as_py() == len(keys)


def has_repeats(places: pa.Array) -> bool:
    """Whether a number stands twice in what `find_keys` gave; nulls do not count."""
    found = places.drop_null().to_numpy()
    return bool(len(found)) and int(np.bincount(found).max()) > 1


def count_places(places: pa.Array) -> int:
    """Count the different numbers in what `find_keys` gave; nulls do not count."""
    return int(np.count_nonzero(np.bincount(places.drop_null().to_numpy())))


def numbered(values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Number values in the order in which they first appear.

    Returns:
        The number of each value, from 0 on; and for each number the first row that has it.
    """
    numbers = values.dictionary_encode().indices
    backwards = numbers.to_numpy()[::-1]
    first = np.empty(backwards.max(initial=-1) + 1, np.int64)
    # Of several rows with one number, the last one written stays: the first, as all go backwards.
    first[backwards] = np.arange(len(backwards))[::-1]
    return numbers, pa.array(first)


def count_unused(keys: pa.Array, table: Table, column: str) -> int:
    """Count the rows of a table whose key is not among `keys`."""
    return pc.sum(pc.invert(pc.is_in(table[column], value_set=keys))).as_py() or 0


def take_struct(rows: pa.Array, table: Table, columns: Sequence[str]) -> pa.StructArray:
    """Collect several columns of small integers into one struct column, in the order of `rows`.

    Args:
        rows: Row numbers as `find_rows` gives them.
        table: The table to take from.
        columns: Its columns that become the struct's int8 fields.

    Returns:
        Struct array as long as `rows`: null where `rows` is null, and a struct of nulls where the
        row of the table is blank.
    """
    fields = [pc.cast(table[name], pa.int8()).take(rows) for name in columns]
    return pa.StructArray.from_arrays(fields, list(columns), mask=rows.is_null())


def number_ids(ids: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Make numbers of ids that are strings, for the columns `study_id` and `subject_id`.

    The number depends on the text of the id only, so it is the same in every copy and for ever: of
    the SHA-256 of the UTF-8 text the first 8 bytes, as a big-endian integer without its first bit.

    Args:
        ids: Strings, repeated or not.

    Returns:
        Array of int64 from 0 on, as long as `ids`; null where the id is null.

    Raises:
        TableError: They are no strings, or two different ids get the same number.
    """
    if not (pa.types.is_string(ids.type) or pa.types.is_large_string(ids.type)):
        raise TableError(
            f"number_ids makes numbers of strings, not of {ids.type}. If the ids are numbers "
            "already, cast them to int64."
        )
    encoded = combined(ids).dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    owners: dict[int, str] = {}
    for text in texts:
        first = owners.setdefault(_number_of(text), text)
        if first != text:
            raise TableError(
                f"Two ids, {wording.cell(first)} and {wording.cell(text)}, in rows "
                f"{pc.index(combined(ids), first).as_py() + 1} and "
                f"{pc.index(combined(ids), text).as_py() + 1}, get the same number. Make "
                "numbers of the ids of this release in another way than by number_ids."
            )
    return pa.array(list(owners), pa.int64()).take(encoded.indices)


def _number_of(text: str) -> int:
    digest = hashlib.sha256(text.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big") & (2**63 - 1)
