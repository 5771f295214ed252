"""What can go wrong while a dataset is written to Parquet."""

from __future__ import annotations

from cxr_datasets.errors import CxrError


class ExportError(CxrError):
    """An export cannot begin, or stopped before its end; what it finished is kept."""
