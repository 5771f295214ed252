"""Some studies of a release, by which the places of reports are compared.

They are spread over the split table, which lists patients in order. To read it only for them would
slow down each load, so they are kept in the cache. Where they are not there yet, the tables are
read ahead of the index, which is then to be made anyway.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pyarrow as pa

from cxr_datasets.digests import short_digest
from cxr_datasets.errors import CacheError
from cxr_datasets.storage.source import Source
from cxr_datasets.tables import index as index_file
from cxr_datasets.tables.keys import combined
from mimic_cxr_jpg.join import TableReads
from mimic_cxr_jpg.reports.store import SAMPLE, Studies, spread

_IDS = pa.schema({"subject_id": pa.int64(), "study_id": pa.int64()})
_ROWS_PER_STUDY = 4
"""Rows taken of the table for each study wanted: several may be images of one study."""


class Sample:
    """Some studies of a release, found when they are first asked for.

    Attributes:
        reads: The tables, if they were begun to be read for it; else None.
    """

    def __init__(self, source: Source, files: dict[str, str], cache: str):
        """Find nothing yet.

        Args:
            source: The release.
            files: Its tables, as `tables.find_tables` gives them.
            cache: Folder in which the sample is kept.
        """
        self.reads: TableReads | None = None
        self._source, self._files, self._cache = source, files, cache
        self._studies: Studies | None = None
        self._is_kept = True

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to a worker is small: no tables that are being read, and no studies."""
        return {**self.__dict__, "reads": None, "_studies": None}

    def __call__(self) -> Studies:
        """Give the studies.

        Raises:
            TableError: The split table is broken.
        """
        if self._studies is None:
            self._studies = self._kept() or self._read()
        return self._studies

    def keep(self) -> None:
        """Write the studies to the cache, if they were found and are not there.

        Not done when they are found: a load that ends in an error leaves nothing behind.
        """
        if self._is_kept or self._studies is None:
            return
        with suppress(CacheError):  # without it the tables are read again next time
            index_file.write_tables(self._file, _IDS, [pa.table(list(self._studies), _IDS)])
        self._is_kept = True

    @property
    def _file(self) -> str:
        made_of = [SAMPLE, self._source.root, tuple(self._source.stamp(self._files["split"]))]
        key = short_digest(repr(made_of).encode())
        return f"{self._cache}/sample-{key}.arrow"

    def _kept(self) -> Studies | None:
        file = self._file
        if not index_file.has_index(file):
            return None
        return Studies(*(combined(index_file.read_column(file, name)) for name in _IDS.names))

    def _read(self) -> Studies:
        self.reads = TableReads(self._source, self._files)
        spine = self.reads.split.result()
        rows = spread(range(spine.rows.num_rows), _ROWS_PER_STUDY * SAMPLE)
        patients, studies = (
            spine[name].take(pa.array(rows, pa.int64())).to_pylist() for name in _IDS.names
        )
        self._is_kept = False
        return Studies.of(zip(patients, studies, strict=True)).some(SAMPLE)
