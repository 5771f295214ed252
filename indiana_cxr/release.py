"""A copy of the Kaggle release: where its files are, and its two tables as one index."""

from __future__ import annotations

import posixpath

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder.nearby import release_nearby
from cxr_datasets.builder.release import Release, not_this_dataset, open_source
from cxr_datasets.columns import SECTIONS, VIEWS
from cxr_datasets.errors import TableError
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.source import Source, Stamp
from cxr_datasets.tables.keys import combined, count_unused, find_rows, null_where
from cxr_datasets.tables.reading import read_table
from cxr_datasets.tables.table import Table
from cxr_datasets.wording import get_logger
from indiana_cxr.layouts import IMAGE_FOLDER, IMAGE_FORMS, PNG_SUFFIX
from indiana_cxr.mesh import DEFAULT_RULES, chexpert_labels, mesh_terms, problem_list
from indiana_cxr.published import FILE_NAME, PROJECTIONS, PUBLISHED, REPORTS
from indiana_cxr.splits import IMAGES_OF_PAIR, R2GEN_PAIRS, SPLITTERS, places_by_name

DATASET = "the Indiana University collection"
HOMEPAGE = "https://www.kaggle.com/datasets/raddar/chest-xrays-indiana-university"
SPREADSHEET_ERRORS = ("#NAME?", "#VALUE!", "#REF!", "#N/A", "#NUM!", "#DIV/0!", "#NULL!")
REPORTS_IN_ALL = 3_851
COMPARISONS_NONE = 567
"""Reports of the whole release, and those whose comparison is the word `None`."""

_TEXTS = ("MeSH", "Problems", "image", *SECTIONS)

_logger = get_logger(__name__)


class IndianaRelease(Release):
    """The tables and images of the Indiana University collection.

    Attributes:
        source: The folder, or Kaggle's `archive.zip` read in place.
        split_by: None, or a name of `SPLITTERS`.
        mesh_rules: A name of `indiana_cxr.mesh_rules.MESH_RULES`.
    """

    def __init__(self, source: Source, split_by: str | None, mesh_rules: str = DEFAULT_RULES):
        self.source = source
        self.split_by = split_by
        self.mesh_rules = mesh_rules

    def stamps(self) -> list[Stamp]:
        """Stamps of the two tables."""
        return self.source.stamps((PROJECTIONS, REPORTS))

    def index(self, cache: str) -> pa.Table:
        """Read and join the two tables; see `Release.index`.

        Raises:
            TableError: A table is broken, or an image has no report.
        """
        images, reports = read_projections(self.source), read_reports(self.source)
        rows = find_rows(images["uid"], reports, "uid")
        if rows.null_count:
            uid = images["uid"].filter(rows.is_null())[0].as_py()
            raise TableError(
                f"{images.address}: {rows.null_count} images have no row in {reports.address}, "
                f"first uid {uid}. The two tables are not of one release: fetch both again."
            )
        unused = count_unused(images["uid"], reports, "uid")
        if unused:
            _logger.warning(
                "%d of %d reports in %s are ignored: %s lists no image of theirs. If that table "
                "was cut short, fetch it again",
                unused, reports.rows.num_rows, reports.address, PROJECTIONS,
            )  # fmt: skip
        columns = {**self._image_columns(images), **self._report_columns(reports, rows)}
        index = pa.table(columns)
        return _in_pairs(index) if self.split_by == R2GEN_PAIRS else index

    def _image_columns(self, images: Table) -> dict[str, pa.Array]:
        view = pc.index_in(pc.utf8_lower(images["projection"]), value_set=pa.array(VIEWS))
        view = pc.cast(view, pa.int64())
        split = SPLITTERS[self.split_by](images["uid"]) if self.split_by else "train"
        if isinstance(split, str):
            split = pa.array([split] * len(view), pa.string())
        return {
            "image_id": pc.utf8_slice_codeunits(images["filename"], 0, -len(PNG_SUFFIX)),
            "study_id": images["uid"],
            "subject_id": images["uid"],  # the release does not name patients
            "view": view,
            "path": pc.binary_join_element_wise(IMAGE_FOLDER, images["filename"], ""),
            "split": split,
            "rank": view,  # frontal before lateral
        }

    def _report_columns(self, reports: Table, rows: pa.Array) -> dict[str, pa.Array]:
        columns = {
            "report": join_sections(reports),
            **{section: reports[section] for section in SECTIONS},
            "labels": chexpert_labels(reports["MeSH"], self.mesh_rules),
            "mesh": mesh_terms(reports["MeSH"]),
            "problems": problem_list(reports["Problems"]),
            "procedure": reports["image"],
        }
        return {name: column.take(rows) for name, column in columns.items()}


def _in_pairs(index: pa.Table) -> pa.Table:
    """Keep two images of each study in its split, and put the images of a study in their order."""
    study = combined(index["study_id"])
    rank = places_by_name(study, combined(index["path"]))
    split = null_where(pc.greater_equal(rank, IMAGES_OF_PAIR), index["split"])
    for name, column in {"rank": rank, "split": split}.items():
        index = index.set_column(index.column_names.index(name), name, column)
    order = pa.table({"study": pc.index_in(study, value_set=pc.unique(study)), "rank": rank})
    return index.take(pc.sort_indices(order, [("study", "ascending"), ("rank", "ascending")]))


def open_release(
    data_dir: str | None,
    split_by: str | None = None,
    mesh_rules: str = DEFAULT_RULES,
    options: StorageOptions | None = None,
    connections: int | None = None,
) -> IndianaRelease:
    """Recognise a copy of the release.

    Args:
        data_dir: Its folder, or the archive Kaggle gives.
        split_by: None, or a name of `SPLITTERS`.
        mesh_rules: A name of `indiana_cxr.mesh_rules.MESH_RULES`.
        options: Storage options of the store it is in.
        connections: Most requests at once to a remote store.

    Raises:
        ReleaseError: There is no such folder, or it lacks the tables.
        StoreError: A remote store refuses a table.
    """
    source = open_source(data_dir, DATASET, HOMEPAGE, options, connections)
    if source.size(PROJECTIONS) is None:
        source.check_permitted(PROJECTIONS)
        raise not_this_dataset(source, DATASET, PROJECTIONS, _hint(source))
    if source.size(REPORTS) is None:
        source.check_permitted(REPORTS)
        raise TableError(
            f"{source.shown(REPORTS)} is not there, though {PROJECTIONS} is. "
            f"Fetch it from {HOMEPAGE} and put it beside the other table."
        )
    return IndianaRelease(source, split_by, mesh_rules)


def _hint(source: Source) -> str:
    for archive in source.archives():
        if not archive.is_broken and _is_root(archive):
            name = posixpath.basename(archive.root)
            return f"Its {name} is Kaggle's archive: pass that, data_dir={archive.shown()}."
    near = release_nearby(source, _is_root, PUBLISHED.folders)
    return near or IMAGE_FORMS.recognised(source.some_names())


def _is_root(place: Source) -> bool:
    return place.size(PROJECTIONS) is not None


def read_projections(source: Source) -> Table:
    """Read which image belongs to which study: `uid`, `filename`, `projection`."""
    columns = {"uid": pa.int64(), "filename": pa.string(), "projection": pa.string()}
    table = read_table(source, PROJECTIONS, columns)
    table.check_filled(*columns).check_unique("filename")
    table.check_pattern("filename", FILE_NAME, "1_IM-0001-4001.dcm.png")
    table.check_values("projection", ("Frontal", "Lateral"))
    _check_owner(table)
    return table


def _check_owner(table: Table) -> None:
    prefix = pc.cast(pc.list_element(pc.split_pattern(table["filename"], "_"), 0), pa.int64())
    strays = pc.indices_nonzero(pc.not_equal(prefix, table["uid"]))
    if len(strays):
        row = strays[0].as_py()
        raise TableError(
            f"{table.address}: row {row + 1} gives file {table['filename'][row].as_py()} to uid "
            f"{table['uid'][row].as_py()}, but the file's name begins with its uid. "
            "Fetch the table again."
        )


def read_reports(source: Source) -> Table:
    """Read the reports, one a uid, verbatim: the word `None` is text, an empty cell is null."""
    columns = {"uid": pa.int64(), **{name: pa.string() for name in _TEXTS}}
    table = read_table(source, REPORTS, columns)
    table.check_filled("uid").check_unique("uid")
    _warn_of_spreadsheet(table)
    _warn_of_pandas(table)
    return table


def _warn_of_spreadsheet(table: Table) -> None:
    errors = pa.array(SPREADSHEET_ERRORS)
    uids, found = set(), set()
    for name in _TEXTS:
        broken = pc.is_in(table[name], value_set=errors)
        uids.update(table["uid"].filter(broken).to_pylist())
        found.update(table[name].filter(broken).to_pylist())
    if uids:
        _logger.warning(
            "%s: cells of uid %s hold %s: this copy was saved by a spreadsheet, which lost "
            "their text. Fetch the table again from %s",
            table.address, ", ".join(map(str, sorted(uids))), ", ".join(sorted(found)), HOMEPAGE,
        )  # fmt: skip


def _warn_of_pandas(table: Table) -> None:
    """Say that the word `None` is lost, which pandas takes for an empty cell unless told not to."""
    rows = table.rows.num_rows
    if rows == REPORTS_IN_ALL and pc.index(table["comparison"], pa.scalar("None")).as_py() < 0:
        _logger.warning(
            "0 of %d comparisons in %s are the word None, as %d of the release are: this copy was "
            "saved by pandas, which took it for an empty cell, and so it is null here. Fetch the "
            "table again from %s",
            rows, table.address, COMPARISONS_NONE, HOMEPAGE,
        )  # fmt: skip


def join_sections(reports: Table) -> pa.Array:
    """Join the sections that exist into the whole report, each under its header.

    Args:
        reports: The table of n reports.

    Returns:
        n strings, with a blank line between two sections; null where all four are null.
    """
    # Not null_handling="skip": where all parts are null, that leaves out the whole row.
    parts = [
        pc.fill_null(
            pc.binary_join_element_wise(f"\n\n{section.upper()}:", reports[section], "\n"), ""
        )
        for section in SECTIONS
    ]
    whole = pc.utf8_ltrim(pc.binary_join_element_wise(*parts, ""), "\n")
    return null_where(pc.equal(whole, ""), whole)
