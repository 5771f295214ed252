"""Labels of one text, and of a column of texts."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import OptionError
from cxr_datasets.labels.text.mentions import mentions
from cxr_datasets.labels.text.sentences import spans
from cxr_datasets.labels.text.verdict import BITS, values

_KEPT = 50_000
"""Sentences whose votes are kept: reports repeat theirs. Some 10 MB."""

_votes: dict[str, int] = {}


def label_text(text: str) -> dict[str, int | None]:
    """Give the 14 labels of a report, by rules.

    Args:
        text: Findings, impression or both: the part that tells what is seen.

    Returns:
        For each of `LABELS`, in their order, 1 positive, 0 negative, -1 uncertain, None not
        mentioned. `No Finding` is 1 or None.

    Raises:
        OptionError: `text` is no text.
    """
    if not isinstance(text, str):
        raise OptionError(f"text is a {type(text).__name__}; expected a str.")
    return dict(zip(LABELS, values(_marks(text)), strict=True))


def label_texts(column: Any) -> pa.StructArray:
    """Give the labels of a column of reports.

    Args:
        column: n texts or nulls: an Arrow array or column of strings, or a list.

    Returns:
        n structs of 14 int8, as the rows of the datasets have them; null where the text is null.

    Raises:
        OptionError: `column` holds no texts.
    """
    texts = _texts(column)
    rows = [(None,) * len(LABELS) if text is None else values(_marks(text)) for text in texts]
    columns = list(zip(*rows, strict=True)) or [()] * len(LABELS)
    return pa.StructArray.from_arrays(
        [pa.array(column, pa.int8()) for column in columns],
        list(LABELS),
        mask=pa.array([text is None for text in texts], pa.bool_()),
    )


def _texts(column: Any) -> list[str | None]:
    if not isinstance(column, (pa.Array, pa.ChunkedArray)):
        try:
            column = pa.array(column, pa.string())
        except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError) as error:
            raise OptionError(
                f"column is a {type(column).__name__}; expected an Arrow array or list of texts."
            ) from error
    if pa.types.is_null(column.type):
        return [None] * len(column)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise OptionError(f"column is of type {column.type}; expected strings.")
    return column.to_pylist()


def _marks(text: str) -> int:
    """Votes of all sentences, each from the store of known ones if it is there."""
    marks = 0
    for begin, end in spans(text):
        sentence = text[begin:end]
        votes = _votes.get(sentence)
        if votes is None:
            votes = 0
            for mention in mentions(sentence):
                votes |= BITS[mention.label, mention.value]
            if len(_votes) >= _KEPT:
                _votes.clear()
            _votes[sentence] = votes
        marks |= votes
    return marks
