"""Labels of a whole column of texts.

Texts are cut into pieces by Arrow, at places where every text is cut whatever stands around them.
Of the pieces, which reports share, each is read once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import OptionError
from cxr_datasets.labels.text.known import marks_of
from cxr_datasets.labels.text.masks import masked
from cxr_datasets.labels.text.verdict import values

_AT_ONCE = 16_384
"""Texts worked on together: enough to hide what a step costs, few enough for little memory."""

_PART = "\x1e"
"""Parts the pieces. In a text it is white space, to Python's rules and so to ours."""

_SOFT_BREAK = r"([0-9A-Za-z,.;)%_-])[ \t]*\n[ \t]*([a-z])"
"""A line break at which no sentence ends: as good as a blank."""

_SURE_CUT = r"([a-z]{3}[a-km-oq-wz]\.|[a-z]{4}[lp]\.|;)[ \n]+"
"""Where a sentence always ends: no abbreviation has four letters and such a last one, or five and
an `l` or `p`."""

_COLON = ":"
"""A text that has one may have headers, or a list that its first line denies. It stays whole."""


def label_texts(column: Any) -> pa.StructArray:
    """Give the labels of a column of reports.

    Args:
        column: n texts or nulls: an Arrow array or column of strings, or a list.

    Returns:
        n structs of 14 int8, as the rows of the datasets have them; null where the text is null.

    Raises:
        OptionError: `column` holds no texts.
    """
    texts = texts_of(column)
    return labels_of(texts, marks(texts))


def marks(texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Give the bits of all that each of n texts says, int64; 0 for null. See `verdict.BITS`."""
    parts = [_marks(texts.slice(at, _AT_ONCE)) for at in range(0, len(texts), _AT_ONCE)]
    return np.concatenate([*parts, np.empty(0, np.int64)])


def labels_of(texts: pa.Array | pa.ChunkedArray, marks: np.ndarray) -> pa.StructArray:
    """Give the labels of texts of which `marks` gave what they say, as `label_texts` does."""
    kinds, kind = np.unique(marks, return_inverse=True)
    rows = [values(kind) for kind in kinds.tolist()]
    fields = [pa.array([row[at] for row in rows], pa.int8()) for at in range(len(LABELS))]
    gone = pc.is_null(texts)
    gone = gone.combine_chunks() if isinstance(gone, pa.ChunkedArray) else gone
    places = pa.array(kind.reshape(-1), mask=gone.to_numpy(zero_copy_only=False))
    return pa.StructArray.from_arrays(
        [field.take(places) for field in fields], list(LABELS), mask=gone
    )


def texts_of(column: Any) -> pa.Array | pa.ChunkedArray:
    """Give a column as an Arrow array or column of strings, as `label_texts` takes it."""
    if isinstance(column, str):
        raise OptionError("column is one text. Give a list of texts, or call label_text.")
    if not isinstance(column, (pa.Array, pa.ChunkedArray)):
        try:
            column = pa.array(column, pa.string())
        except (pa.ArrowInvalid, pa.ArrowTypeError, KeyError, TypeError, UnicodeError) as error:
            raise OptionError(
                f"column is a {type(column).__name__}; expected an Arrow array or list of texts."
            ) from error
    if pa.types.is_null(column.type):
        return column.cast(pa.string())
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise OptionError(f"column is of type {column.type}; expected strings.")
    return column


def _marks(texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
    if isinstance(texts, pa.ChunkedArray):
        texts = pa.concat_arrays(texts.chunks)
    pieces = _cut(pc.fill_null(texts, ""))
    unique = pieces.flatten().dictionary_encode()
    votes = _votes(unique.dictionary)
    begins = pieces.offsets.to_numpy()[:-1]  # each text has a piece at least
    return np.bitwise_or.reduceat(votes[unique.indices.to_numpy()], begins)


def _votes(pieces: pa.Array) -> np.ndarray:
    """Read pieces that are all different; but for words that no rule knows, they are not."""
    if not len(pieces):
        return np.empty(0, np.int64)
    whole = _hold(pieces, _COLON)
    unique = pc.if_else(whole, pieces, masked(pieces)).dictionary_encode()
    votes = np.fromiter(map(marks_of, unique.dictionary.to_pylist()), np.int64)
    return votes[unique.indices.to_numpy()]


def _cut(texts: pa.Array) -> pa.ListArray:
    plain = texts
    if pc.any(_hold(texts, _PART)).as_py():
        plain = pc.replace_substring(texts, _PART, " ")
    cut = pc.replace_substring_regex(plain, _SOFT_BREAK, r"\1 \2")
    cut = pc.replace_substring_regex(cut, _SURE_CUT, rf"\1{_PART}")
    return pc.split_pattern(pc.if_else(_hold(plain, _COLON), plain, cut), _PART)


def _hold(texts: pa.Array, character: str) -> pa.BooleanArray:
    """Say which texts hold a character; as a pattern it is found in an eighth of the time."""
    return pc.match_substring_regex(texts, character)
