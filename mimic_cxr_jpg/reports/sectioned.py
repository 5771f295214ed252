"""Four sections of each report in one table, for those who have no whole reports.

MIT-LCP's `txt/create_section_files.py` makes it of the reports, as `mimic_cxr_sectioned.csv`.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.errors import ReportsError
from cxr_datasets.storage.source import Source
from cxr_datasets.tables import index as index_file
from cxr_datasets.tables.keys import combined, find_keys, null_where
from cxr_datasets.tables.reading import read_table
from cxr_datasets.wording import get_logger
from mimic_cxr_jpg.reports.parsing import REPORT_SECTIONS
from mimic_cxr_jpg.reports.store import ReportStore

SECTIONED = "mimic_cxr_sectioned.csv"
"""Its usual name."""

SUFFIXES = (".csv", ".csv.gz")

_SECTIONS = ("impression", "findings", "last_paragraph", "comparison")
_STUDY = r"s5\d{7}"
_ROWS = pa.schema({"study_id": pa.int64(), **dict.fromkeys(_SECTIONS, pa.string())})

_logger = get_logger(__name__)


class SectionedReports(ReportStore):
    """Such a table, gzipped or not.

    It is read once, into an Arrow file in the cache of `datasets`. There every worker finds each
    section without reading others.

    Attributes:
        cached: That Arrow file.
    """

    cached: str = ""
    of_every_study = False
    _unused: tuple[int, int] = (0, 0)

    def prepare(self, cache: str) -> None:
        """Copy the sections into the cache, unless they are there.

        Raises:
            TableError: The table is damaged, or not this one.
            StoreError: A remote table cannot be read.
        """
        self.cached = self.file_in(cache, "sectioned", _ROWS.names)
        if not index_file.has_index(self.cached):
            index_file.write_tables(self.cached, _ROWS, [_read(self.source, self.path)])

    def locate(self, subject_ids: pa.Array, study_ids: pa.Array) -> pa.Array:
        """See `ReportStore.locate`; a place is a row of the Arrow file."""
        listed = self._study_ids()
        rows = find_keys(study_ids, listed)
        if rows.null_count == len(rows):
            raise ReportsError(
                f"{self.address} has no row of these studies: expected their ids in its column "
                "study, such as s50000001. Pass the table that was made of this release's reports."
            )
        self._unused = (len(listed) - (len(rows) - rows.null_count), len(listed))
        return rows

    def _study_ids(self) -> pa.Array:
        return combined(index_file.read_column(self.cached, "study_id"))

    def lacks(self, places: pa.Array) -> pa.Array:
        """See `ReportStore.lacks`: whether there is no row, or one without a section."""
        filled = [index_file.take_rows(self.cached, name, places).is_valid() for name in _SECTIONS]
        has_one = filled[0]
        for one in filled[1:]:
            has_one = pc.or_(has_one, one)
        return pc.invert(has_one)

    def say_lacking(self, places: pa.Array) -> None:
        """Say in one line how many studies have no row, and how many rows are of no study."""
        told = []
        if places.null_count:
            told.append(
                f"{places.null_count} of {len(places)} studies have no row in {self.address}: "
                "their columns of text are null"
            )
        unused, listed = self._unused
        if unused:
            told.append(
                f"{unused} of {listed} rows of {self.address} are of studies that the release does "
                "not list: ignored"
            )
        if all(self._is_blank(name) for name in _SECTIONS):
            told.append(
                f"every text in {self.address} is blank, so that all columns of text are null: "
                "make the table again of the reports, or pass the reports themselves"
            )
        if told:
            _logger.warning("%s", "; ".join(told))

    def _is_blank(self, name: str) -> bool:
        texts = index_file.read_column(self.cached, name)
        return texts.null_count == len(texts)

    def has(self, subject_ids: pa.Array, study_ids: pa.Array) -> pa.Array:
        """See `ReportStore.has`."""
        return pc.invert(self.lacks(find_keys(study_ids, self._study_ids())))

    def read(self, places: pa.Array) -> pa.Array:
        """See `ReportStore.read`: the table holds no whole report."""
        return pa.nulls(len(places), pa.string())

    def columns(self, places: pa.Array, rows: pa.Array, rules: str) -> dict[str, pa.Array]:
        """See `ReportStore.columns`: four sections as they are, whatever the rules."""
        absent = pa.nulls(len(rows), pa.string())
        return {
            name: index_file.take_rows(self.cached, name, places).take(rows)
            if name in _SECTIONS
            else absent
            for name in ("report", *REPORT_SECTIONS)
        }


def _read(source: Source, path: str) -> pa.Table:
    """Read the table, check it, and give its rows as `_ROWS`."""
    columns = dict.fromkeys(("study", *_SECTIONS), pa.string())
    table = read_table(source, path, columns, of_texts=True)
    table.check_filled("study").check_pattern("study", _STUDY, "s50000001").check_unique("study")
    study_ids = pc.cast(pc.utf8_slice_codeunits(table["study"], 1), pa.int64())
    return pa.table([study_ids, *(_plain(table[name]) for name in _SECTIONS)], _ROWS)


def _plain(texts: pa.Array) -> pa.Array:
    """Give texts as other columns have them: LF at line ends, nothing around, null for none."""
    for end in ("\r\n", "\r"):
        texts = pc.replace_substring(texts, end, "\n")
    texts = pc.utf8_trim_whitespace(texts)
    return null_where(pc.equal(texts, ""), texts)
