"""Decode images for the format `polars`.

`with_format("polars")` of `datasets` gives polars a dictionary where it takes a function, so that
each row with an image ends in a TypeError (huggingface/datasets#8402), and it puts lists of images
into a column that cannot hold them. Importing a package of ours lets decoded values stand in
columns of the type `Object`. Columns that hold nothing to decode go on as they came.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from datasets.formatting.polars_formatter import PolarsFeaturesDecoder

from cxr_datasets.hooks.replacing import replace_once


def teach_polars() -> None:
    """Let every later row of the format decode its images. Again changes nothing."""
    replace_once(PolarsFeaturesDecoder, "decode_row", _by_columns)
    replace_once(PolarsFeaturesDecoder, "decode_column", _decoding)


def _by_columns(original: Any) -> Any:
    @wraps(original)
    def decode_row(self: Any, row: Any) -> Any:
        """Decode a frame, of one row or many."""
        return row.with_columns([self.decode_column(row[name], name) for name in row.columns])

    return decode_row


def _decoding(original: Any) -> Any:
    @wraps(original)
    def decode_column(self: Any, column: Any, column_name: str) -> Any:
        features: Any = self.features or {}
        if column_name not in features or not features._column_requires_decoding[column_name]:
            return original(self, column, column_name)
        decoded = features.decode_column(column.to_list(), column_name)
        import polars  # is there: the column is one of its own

        return polars.Series(column_name, decoded, dtype=polars.Object)

    return decode_column
