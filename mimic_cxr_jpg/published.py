"""What PhysioNet says of MIMIC-CXR-JPG: its tables, and how many rows and images it has.

The counts are those of the project's page, https://physionet.org/content/mimic-cxr-jpg/2.1.0/.
"""

from __future__ import annotations

from itertools import product

from cxr_datasets.builder import Counts, Published, PublishedTable
from mimic_cxr_jpg.tables import (
    OF_EVERY_RELEASE,
    REQUIRED_TABLES,
    TABLES,
    VERSIONS,
    file_name,
    usual_name,
)

FILE_NAMES = "IMAGE_FILENAMES"
"""The list of all images, a path a line; release 2.0.0 has none."""

PROJECT_FOLDERS = (
    "",
    "mimic-cxr-jpg/",
    "files/mimic-cxr-jpg/",
    "physionet.org/files/mimic-cxr-jpg/",
)
"""Where the folders of versions lie below a folder that users pass by mistake."""

_NEWEST_FIRST = VERSIONS[::-1]

_ROWS = {
    "split": 377_110,
    "metadata": 377_110,
    "chexpert": 227_827,
    "negbio": 227_827,
    "test-set-labeled": 687,
}

_COUNTS = {
    "train": Counts(images=368_960, studies=222_758, patients=64_586),
    "validation": Counts(images=2_991, studies=1_808, patients=500),
    "test": Counts(images=5_159, studies=3_269, patients=293),
    "all": Counts(images=377_110, studies=227_835, patients=65_379),
}


def _table(table: str) -> PublishedTable:
    known = (file_name(table, *kind) for kind in product(VERSIONS, (".gz", "")))
    versions = VERSIONS if table in OF_EVERY_RELEASE else VERSIONS[1:]
    return PublishedTable(
        name=table,
        files=tuple(dict.fromkeys([usual_name(table), *known])),
        rows=dict.fromkeys(versions, _ROWS[table]),
        required=table in REQUIRED_TABLES,
    )


PUBLISHED = Published(
    versions=_NEWEST_FIRST,
    tables=tuple(map(_table, TABLES)),
    counts=dict.fromkeys(VERSIONS, _COUNTS),
    folders=tuple(f"{project}{version}" for project, version in product(
        PROJECT_FOLDERS, _NEWEST_FIRST
    )),
    only_in={"2.1.0": (FILE_NAMES, *_table("test-set-labeled").files)},
    checksums="SHA256SUMS.txt",
)  # fmt: skip
