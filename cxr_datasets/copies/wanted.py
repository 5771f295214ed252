"""What a user asked for: which part of which release."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from cxr_datasets.builder import CxrBuilder, PublishedTable
from cxr_datasets.columns import SPLITS
from cxr_datasets.copies.selection import Selection


@dataclass(frozen=True)
class Wanted:
    """What a user asked for.

    Attributes:
        dataset: Name of the dataset.
        kind: Its builder.
        version: Version of the release.
        selection: Which images.
        images: Whether any.
        reports: Whether the reports too.
    """

    dataset: str
    kind: type[CxrBuilder]
    version: str
    selection: Selection
    images: bool
    reports: bool

    @property
    def tables(self) -> list[PublishedTable]:
        """The tables that this version of the release has."""
        assert self.kind.PUBLISHED is not None
        return [table for table in self.kind.PUBLISHED.tables if self.version in table.rows]

    @property
    def checksums(self) -> str | None:
        """The list of checksums."""
        return self.kind.PUBLISHED.checksums if self.kind.PUBLISHED else None

    def wanted_images(self, root: Path) -> pa.Table:
        """Build the index from the tables in a folder, as for loading, and choose from it.

        Raises:
            CxrError: The tables are broken, or the options leave no image.
        """
        views = self.selection.views
        builder = self.kind(
            config_name="images", data_dir=str(root), views=None if views is None else list(views)
        )
        return self.selection.of(builder.wanted_images())

    def call(self, root: Path) -> str:
        """The call that loads what was asked for from a folder."""
        name = self.dataset.replace("-", "_")
        if not self.images and not self.reports:
            return f"cxr stats {shlex.quote(str(root))}"  # no rows without either
        words = [repr(name)]
        selection = self.selection
        if not self.images:
            words.append(repr("reports"))
        words.append(f"data_dir={str(root)!r}")
        if self.images and not selection.is_all:
            words.append("missing='skip'")
        if selection.split and len(selection.split) < len(SPLITS) and self.images:
            words.append(f"split={'+'.join(selection.split)!r}")
        return f"load_dataset({', '.join(words)})"
