"""What an export holds, once it is finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cxr_datasets.export.folder import Folder
from cxr_datasets.export.manifest import Manifest
from cxr_datasets.export.plan import PlannedFile


@dataclass(frozen=True)
class ExportSummary:
    """What an export holds, with what earlier runs of it wrote.

    Attributes:
        out: Its folder or address.
        config: The config.
        rows: Rows of the splits that were asked for.
        bytes: Bytes of their files.
        files: Number of their files.
        written: Number of files that this run wrote.
        skipped: Number of images left out, with `missing="skip"` or `damaged="skip"`.
        without_entry: Number of rows that have no entry in a task file: without a text to write, or
            without an image where these are written.
    """

    out: str
    config: str
    rows: int
    bytes: int
    files: int
    written: int
    skipped: int
    without_entry: int = 0

    def __str__(self) -> str:
        return (
            f"{self.out}: {self.config}, {self.rows:,} rows, {self.bytes:,} bytes in "
            f"{self.files:,} files ({self.written:,} written now), {self.skipped:,} images skipped"
            f"{self._told_entries()}"
        )

    def _told_entries(self) -> str:
        if not self.without_entry:
            return ""
        return f", {self.without_entry:,} more rows have no text to write, and so no entry"


def summary_of(
    folder: Folder, manifest: Manifest, chosen: Sequence[PlannedFile], written: int
) -> ExportSummary:
    """Sum up what an export holds of the files that were asked for, all of which are finished."""
    lines = [manifest.lines[file.name] for file in chosen]
    before = manifest.header.get("skipped", {})
    splits = {file.split for file in chosen}
    return ExportSummary(
        out=str(folder),
        config=manifest.config,
        rows=sum(line.rows for line in lines),
        bytes=sum(line.bytes for line in lines),
        files=len(lines),
        written=written,
        skipped=sum(len(line.skipped) for line in lines)
        + sum(len(before.get(split, ())) for split in splits),
        without_entry=sum(line.without_entry for line in lines),
    )
