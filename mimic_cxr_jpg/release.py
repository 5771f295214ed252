"""A copy of MIMIC-CXR-JPG: where its files are, and its tables as one index."""

from __future__ import annotations

from itertools import product

import pyarrow as pa

from cxr_datasets.builder.nearby import release_nearby
from cxr_datasets.builder.release import Release, not_this_dataset, open_source
from cxr_datasets.errors import ReportsError, StoreError, TableError
from cxr_datasets.storage.addresses import WEB, check_open, protocol
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.source import Source, Stamp
from cxr_datasets.tables.index import folder_in
from cxr_datasets.tables.keys import combined, numbered
from cxr_datasets.wording import get_logger
from mimic_cxr_jpg import tables
from mimic_cxr_jpg.join import TableReads, read_index
from mimic_cxr_jpg.layouts import IMAGE_FORMS
from mimic_cxr_jpg.mimic_iv import MimicIv
from mimic_cxr_jpg.physionet import HOMEPAGE
from mimic_cxr_jpg.published import PUBLISHED
from mimic_cxr_jpg.reports import REPORT_SECTIONS, RULES, ReportStore, find_reports
from mimic_cxr_jpg.reports.find import ARCHIVES, physionet_project
from mimic_cxr_jpg.reports.sectioned import SECTIONED
from mimic_cxr_jpg.sample import Sample
from mimic_cxr_jpg.times import study_times

DATASET = "MIMIC-CXR-JPG"
REPORTS_HOMEPAGE = "https://physionet.org/content/mimic-cxr/"

_logger = get_logger(__name__)


class MimicRelease(Release):
    """The tables, images and reports of one copy.

    Attributes:
        source: The folder that holds the tables and `files/`.
        tables: File of each table, as `tables.find_tables` gives them.
        reports: The reports, or None if they were not found.
        sample: Some studies, by which they were found.
        section_rules: By which rules sections are parsed: one of `reports.RULES`.
        mimic_iv: MIMIC-IV, if its columns are asked for; else None.
    """

    TEXTS = ("report", *REPORT_SECTIONS)

    mimic_iv: MimicIv | None = None

    def __init__(
        self,
        source: Source,
        files: dict[str, str],
        reports: ReportStore | None,
        sample: Sample,
        section_rules: str = RULES[0],
    ):
        self.source = source
        self.tables = files
        self.reports = reports
        self.sample = sample
        self.section_rules = section_rules

    def stamps(self) -> list[Stamp]:
        """Stamps of the tables and of the reports."""
        stamps = self.source.stamps(list(self.tables.values()))
        stamps += self.reports.stamps() if self.reports else []
        return stamps + (self.mimic_iv.stamps() if self.mimic_iv else [])

    def prepare(self, cache: str) -> None:
        """Let the reports write to the cache what they need there."""
        if self.reports:
            self.reports.prepare(cache)

    def index(self, cache: str) -> pa.Table:
        """Read and join the tables, while the reports are made ready; see `Release.index`.

        Raises:
            TableError: A table is broken or contradicts another.
            ReportsError: The reports are damaged.
        """
        reads, self.sample.reads = self.sample.reads, None
        reads = reads or TableReads(self.source, self.tables)
        if self.mimic_iv is None:
            return read_index(reads, self.reports, cache)
        records = self.mimic_iv.begin()
        return self.mimic_iv.add(read_index(reads, self.reports, cache), records)

    def study_times(self, index: pa.Table) -> pa.Array:
        """The earliest date and time of each study's images."""
        return study_times(index)

    def keep(self) -> None:
        """Keep the sample, so that the next start need not read the split table for it."""
        self.sample.keep()

    def add_texts(self, rows: pa.Table) -> pa.Table:
        """Read the reports of some rows and parse their sections, once a study."""
        if self.reports is None:
            return self.without_texts(rows)
        study, first = numbered(combined(rows["study_id"]))
        places = combined(rows["report_at"]).take(first)
        texts = self.reports.columns(places, study, self.section_rules)
        for name, column in texts.items():
            rows = rows.append_column(name, column)
        return rows


def open_release(
    data_dir: str | None,
    reports: str | None = None,
    needs_reports: bool = False,
    options: StorageOptions | None = None,
    connections: int | None = None,
    cache: str | None = None,
    section_rules: str = RULES[0],
) -> MimicRelease:
    """Recognise a copy of the release and look for its reports.

    Args:
        data_dir: The folder that holds the tables.
        reports: Address of the reports; None looks for them.
        needs_reports: Whether it is an error if they are not found.
        options: Storage options of the stores of both.
        connections: Most requests at once to a remote store.
        cache: Folder for what must be read to compare several places of reports; None: that of
            index files in the cache of `datasets`.
        section_rules: By which rules the sections of reports are parsed.

    Raises:
        ReleaseError: There is no such folder, or it lacks the split table.
        StoreError: A remote store refuses a table.
        TableError: The metadata table is missing, or the split table is broken.
        ReportsError: The reports are not where `reports` says, are broken, or are needed and
            were not found.
    """
    source = open_source(data_dir, DATASET, HOMEPAGE, options, connections)
    files = tables.find_tables(source)
    if "split" not in files:
        source.check_permitted(tables.usual_name("split"))
        raise not_this_dataset(source, DATASET, tables.usual_name("split"), _hint(source))
    missing = [tables.usual_name(name) for name in tables.REQUIRED_TABLES if name not in files]
    if missing:
        source.check_permitted(missing[0])
        raise TableError(
            f"{source.shown()} has no {' and no '.join(missing)} (nor without .gz). "
            f"Fetch it from {HOMEPAGE} and put it beside the other tables."
        )
    _say_without_labels(source, files)
    if reports is not None:
        check_open("reports", reports)
    cache = cache or folder_in(None, credentialed="mimic_cxr_jpg")
    sample = Sample(source, files, cache)
    store = find_reports(source, reports, sample, cache)
    if store is None:
        _say_without_reports(source, needs_reports)
    return MimicRelease(source, files, store, sample, section_rules)


def _say_without_labels(source: Source, files: dict[str, str]) -> None:
    """Say which tables of labels are not there.

    Raises:
        StoreError: A web server refuses one to this user.
    """
    if _tells_refusal_from_absence(source):
        for table in tables.TABLES:
            if table not in files:
                source.check_permitted(tables.usual_name(table))
    absent = [table for table in tables.OF_EVERY_RELEASE if table not in files]
    columns = [name for name, (table, _) in tables.LABEL_TABLES.items() if table in absent]
    if absent:
        _logger.warning(
            "%d of %d tables are not in %s%s: %s (nor without .gz). Null in every row: %s. "
            "To have these labels, fetch them from %s",
            len(absent), len(tables.OF_EVERY_RELEASE), source.shown(),
            "" if _tells_refusal_from_absence(source) else ", or may not be read",
            ", ".join(map(tables.usual_name, absent)), ", ".join(columns), HOMEPAGE,
        )  # fmt: skip


def _tells_refusal_from_absence(source: Source) -> bool:
    """Whether this place refuses only what is there; buckets may refuse what is not, too."""
    return not source.is_remote or protocol(source.root) in WEB


def _say_without_reports(source: Source, needs_reports: bool) -> None:
    message = (
        f"No reports in {source.shown()}, above it or beside it. They belong to the separate "
        f"project MIMIC-CXR ({REPORTS_HOMEPAGE}). Fetch mimic-cxr-reports.zip there and pass "
        "reports=, the path of that file, of a .tar.gz or .tar of it, or of the folder that holds "
        f"its files/. A {SECTIONED} of four sections is read if reports= names it."
        f"{_refusal(source)}"
    )
    if needs_reports:
        raise ReportsError(message)
    _logger.warning("%s Until then the columns of report text, and labels_text, are null.", message)


def _refusal(source: Source) -> str:
    """Say why a web server refuses the reports to this user; empty if it does not."""
    if protocol(source.root) not in WEB:  # other stores may refuse what is not there, too
        return ""
    try:
        physionet_project(source).check_permitted(ARCHIVES[0])
    except StoreError as error:
        return f" {error}"
    return ""


def _hint(source: Source) -> str:
    near = release_nearby(source, _is_root, PUBLISHED.folders)
    return near or IMAGE_FORMS.recognised(source.some_names())


def _is_root(place: Source) -> bool:
    names = (tables.file_name("split", *kind) for kind in product(tables.VERSIONS, (".gz", "")))
    return place.first_existing(list(names)) is not None
