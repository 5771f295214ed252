"""What the form of an export decides: the bytes of a file, and little else.

Which rows go into which file, who writes it, how it gets its name and how an export goes on is the
same for all forms.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import pyarrow as pa

from cxr_datasets.builder.builder import CxrBuilder
from cxr_datasets.export import parquet
from cxr_datasets.export.folder import Folder
from cxr_datasets.export.line import Line
from cxr_datasets.export.plan import PlannedFile

PARQUET = "parquet"

Counts = Callable[[], dict[str, Any]]
"""Gives what the line of a file says beyond its rows, once all of them are taken."""


class Form:
    """Parquet; other forms are subclasses. It is pickled to every worker.

    Attributes:
        name: The value of the option.
        told: How the card calls it.
        suffix: End of the names of its files.
        holds_images: Whether the files hold the bytes of the images.
    """

    name = PARQUET
    told = "Parquet"
    suffix = ".parquet"
    holds_images = True

    def identity(self) -> dict[str, Any]:
        """Give the options of the form that decide the bytes, by name."""
        return {}

    def check(self, builder: CxrBuilder) -> None:
        """Check that the rows of a config can have this form.

        Raises:
            OptionError: They cannot.
        """

    def columns(self, builder: CxrBuilder) -> Collection[str] | None:
        """Give the columns that are looked at, as for `CxrBuilder.complete_rows`; None: all."""
        return None

    def write(
        self,
        folder: Folder,
        file: PlannedFile,
        builder: CxrBuilder,
        tables: Iterable[pa.Table],
        key: str,
        counts: Counts,
    ) -> Line:
        """Write one file, whole or not at all.

        Args:
            folder: The folder of the export.
            file: The file.
            builder: The builder that the rows are from.
            tables: Its rows, taken one table at a time.
            key: Key of the export.
            counts: Gives `skipped`, `absent` and `damaged`, once all tables are taken.

        Returns:
            Its line of the manifest.

        Raises:
            ExportError: There is no room, or the store refuses the file.
        """
        return parquet.write_file(folder, file, builder.info, tables, key, counts)

    def bytes_of(self, builder: CxrBuilder, tables: Iterable[pa.Table]) -> int:
        """Give the bytes that rows take in a file, without writing it."""
        return parquet.bytes_as_file(builder.info, tables)
