"""A dataset as Parquet files that load anywhere: resized, resumable, written by many workers."""

from cxr_datasets.errors import ExportError
from cxr_datasets.export.options import ExportOptions
from cxr_datasets.export.proof import VerifySummary, verify
from cxr_datasets.export.run import ExportSummary, export

__all__ = ["ExportError", "ExportOptions", "ExportSummary", "VerifySummary", "export", "verify"]
