"""A dataset as Parquet files that load anywhere: resized, resumable, written by many workers."""

from cxr_datasets.errors import ExportError
from cxr_datasets.export.estimate import ExportEstimate
from cxr_datasets.export.options import ExportOptions
from cxr_datasets.export.proof import VerifySummary, verify
from cxr_datasets.export.run import export
from cxr_datasets.export.summary import ExportSummary

__all__ = [
    "ExportError",
    "ExportEstimate",
    "ExportOptions",
    "ExportSummary",
    "VerifySummary",
    "export",
    "verify",
]
