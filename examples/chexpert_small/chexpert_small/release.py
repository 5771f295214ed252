"""A copy of CheXpert-v1.0-small: where its files are, and its two tables as one index."""

from __future__ import annotations

import logging

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder import Release, not_this_dataset, open_source
from cxr_datasets.columns import LABELS, SECTIONS, VIEWS
from cxr_datasets.errors import TableError
from cxr_datasets.storage import Source, Stamp
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.tables.keys import numbered
from cxr_datasets.tables.reading import read_table
from cxr_datasets.tables.table import Table

DATASET = "CheXpert-v1.0-small"
HOMEPAGE = "https://stanfordmlgroup.github.io/competitions/chexpert/"

FOLDER = "CheXpert-v1.0-small"
"""Each `Path` begins with it: the folder that holds the tables."""

SPLITS = {"train": "train", "valid": "validation"}
"""Table without `.csv`, and folder of its images -> split as `datasets` calls it."""

_PATH = r"patient(?P<patient>\d{5})/study(?P<study>\d{1,3})/view\d{1,2}_(?:frontal|lateral)\.jpg"
_EXAMPLE = "patient00001/study1/view1_frontal.jpg"
_STUDIES = 1_000
"""More than the studies of any patient, whose numbers have three digits at most."""

_OLDEST = 120
_BEST_VIEWS = ("PA", "AP")
_OF_A_STUDY = ("Sex", "Age", *LABELS)

_logger = logging.getLogger(__name__)


class ChexpertRelease(Release):
    """The tables and images of one copy.

    Attributes:
        source: The folder that holds the tables.
    """

    def __init__(self, source: Source):
        self.source = source

    def stamps(self) -> list[Stamp]:
        """The two tables."""
        return self.source.stamps([f"{name}.csv" for name in SPLITS])

    def index(self, cache: str) -> pa.Table:
        """Read the two tables, one after the other; see `Release.index`.

        Raises:
            TableError: A table is broken.
        """
        return pa.concat_tables(self._split(name) for name in SPLITS)

    def _split(self, name: str) -> pa.Table:
        table = read_rows(self.source, name)
        rows = table.rows.num_rows
        path = pc.utf8_slice_codeunits(table["Path"], len(FOLDER) + 1)
        subject_id, study_id = read_ids(path)
        _warn_of_differences(table, study_id)
        columns = {
            "image_id": image_ids(path),
            "study_id": study_id,
            "subject_id": subject_id,
            "view": pc.cast(
                pc.index_in(pc.utf8_lower(table["Frontal/Lateral"]), pa.array(VIEWS)), pa.int64()
            ),
            **dict.fromkeys(("report", *SECTIONS), pa.nulls(rows, pa.string())),
            "labels": pa.StructArray.from_arrays(
                [pc.cast(table[label], pa.int8()) for label in LABELS], LABELS
            ),
            "view_position": table["AP/PA"],
            "sex": pc.if_else(pc.equal(table["Sex"], "Unknown"), None, table["Sex"]),
            "age": table["Age"],
            "path": path,
            "split": pa.array([SPLITS[name]] * rows),
            "rank": ranks(table),
        }
        return pa.table(columns)


def open_release(
    data_dir: str | None,
    options: StorageOptions | None = None,
    connections: int | None = None,
) -> ChexpertRelease:
    """Recognise a copy of the release.

    Args:
        data_dir: The folder that holds the tables.
        options: Storage options of the store it is in.
        connections: Most requests at once to a remote store.

    Raises:
        ReleaseError: There is no such folder, or it lacks the tables.
        StoreError: A remote store refuses a table.
        TableError: One of the two tables is missing.
    """
    source = open_source(data_dir, DATASET, HOMEPAGE, options, connections)
    if source.size("train.csv") is None:
        source.check_permitted("train.csv")
        inside = source.folder(FOLDER)
        found = inside.size("train.csv") is not None
        hint = f"The tables are in {inside.root}: pass that." if found else ""
        raise not_this_dataset(source, DATASET, "train.csv", hint)
    if source.size("valid.csv") is None:
        source.check_permitted("valid.csv")
        raise TableError(
            f"{source.address('valid.csv')} is not there, though train.csv is. "
            f"Fetch it from {HOMEPAGE} and put it beside the other table."
        )
    return ChexpertRelease(source)


def read_rows(source: Source, name: str) -> Table:
    """Read one of the two tables: `train` or `valid`."""
    columns = {
        "Path": pa.string(),
        "Sex": pa.string(),
        "Age": pa.int32(),
        "Frontal/Lateral": pa.string(),
        "AP/PA": pa.string(),
        **dict.fromkeys(LABELS, pa.float64()),
    }
    table = read_table(source, f"{name}.csv", columns)
    table.check_filled("Path", "Frontal/Lateral").check_unique("Path")
    table.check_pattern("Path", f"{FOLDER}/{name}/{_PATH}", f"{FOLDER}/{name}/{_EXAMPLE}")
    table.check_values("Frontal/Lateral", ("Frontal", "Lateral"))
    table.check_range("Age", 0, _OLDEST)
    table.check_values(LABELS, (1.0, 0.0, -1.0))
    return table


def read_ids(path: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Make `subject_id` and `study_id`, which are int64, of the folders' names.

    The release numbers the studies of each patient from 1 on, so that a study's number is not
    enough: study 2 of patient 15 becomes 15002.

    Args:
        path: Paths within the release, already checked.
    """
    found = pc.extract_regex(path, f"/{_PATH}")
    patient, study = (
        pc.cast(pc.struct_field(found, name), pa.int64()) for name in ("patient", "study")
    )
    return patient, pc.add(pc.multiply(patient, _STUDIES), study)


def image_ids(path: pa.Array) -> pa.Array:
    """Make ids such as `patient00015_study2_view1_frontal`: file names alone repeat."""
    below = pc.replace_substring_regex(path, r"^\w+/|\.jpg$", "")
    return pc.replace_substring(below, "/", "_")


def ranks(table: Table) -> pa.Array:
    """Order the images of a study: PA, AP, other frontal views, lateral."""
    frontal = pc.fill_null(pc.index_in(table["AP/PA"], pa.array(_BEST_VIEWS)), len(_BEST_VIEWS))
    lateral = pc.equal(table["Frontal/Lateral"], "Lateral")
    return pc.cast(pc.if_else(lateral, len(_BEST_VIEWS) + 1, frontal), pa.int64())


def _warn_of_differences(table: Table, study_id: pa.Array) -> None:
    """Say how many images differ from the first of their study in what a study has once."""
    study, first = numbered(study_id)
    texts = [pc.fill_null(pc.cast(table[name], pa.string()), "") for name in _OF_A_STUDY]
    whole = pc.binary_join_element_wise(*texts, ",")
    differ = pc.sum(pc.not_equal(whole, whole.take(first).take(study))).as_py()
    if differ:
        _logger.warning(
            "%s: %d of %d images differ from the first image of their study in sex, age or labels; "
            "in configs studies and reports a study has those of its best view.",
            table.address, differ, len(study),
        )  # fmt: skip
