"""What the publisher says of a release: names of its tables, how many rows they have, its counts.

A dataset declares it as data. By it a folder is recognised as a copy of the dataset, and a copy is
compared with what was published.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from cxr_datasets.builder.relations import Cells, Relation
from cxr_datasets.storage import Source, addresses


@dataclass(frozen=True)
class PublishedTable:
    """A table of a release.

    Attributes:
        name: What it is called here, such as `split`.
        files: The names that its file may have; the release's own comes first.
        rows: Version of the release -> number of rows. A version that lacks the table is not named.
        sha256: Version of the release -> sha256 of the file under the release's own name, in
            hexadecimal digits; empty where the publisher gives none.
        required: Whether no copy is of use without it.
        cells: Its columns, and what their cells must be.
        key: The column that repeats no value; None: there is none.
        image_id: The column that names an image; None: there is none.
        study_id: The column that names a study; None: there is none.
    """

    name: str
    files: tuple[str, ...]
    rows: Mapping[str, int]
    sha256: Mapping[str, str] = field(default_factory=dict)
    required: bool = False
    cells: Mapping[str, Cells] = field(default_factory=dict)
    key: str | None = None
    image_id: str | None = None
    study_id: str | None = None

    def found_in(self, names: Collection[str]) -> str | None:
        """The best of its files that is among some names; None if none is."""
        return next((file for file in self.files if file in names), None)


@dataclass(frozen=True)
class Counts:
    """How many of each there are, in a split or in all."""

    images: int
    studies: int
    patients: int


@dataclass(frozen=True)
class Copy:
    """A copy whose reports are looked for.

    Attributes:
        source: Its folder.
        tables: Its tables by name, as they were read.
        listing: The files in it, as `storage.tree` lists them.
        reports: Where the reports are; None: they are looked for.
    """

    source: Source
    tables: Mapping[str, pa.Table]
    listing: pa.Table
    reports: str | None


@dataclass(frozen=True)
class Texts:
    """Which studies have a report.

    Attributes:
        address: Where the reports are.
        study_ids: The studies, each of them once.
        there: Whether each has a text.
        of_every_study: Whether each has one in the release.
    """

    address: str
    study_ids: pa.Array
    there: pa.Array
    of_every_study: bool = False


@dataclass(frozen=True)
class Published:
    """A dataset's releases, as they were published.

    Attributes:
        versions: Versions of the release, the newest first.
        tables: Their tables. The first has a row for every image.
        counts: Version -> split, or `all` -> its counts.
        folders: Folders below one that users give by mistake, in which the tables may be.
        only_in: Version -> names of files that no other version has.
        checksums: Name of the file that gives the sha256 of each file, as `<hex> <path>`; None if
            the release has none.
        unlisted: Images that the release has and no table lists.
        relations: What must hold in the tables and between them.
        images: Makes of the tables, by name, as far as their cells are right, a row an image:
            `image_id`, `study_id`, `path` in the release; `split`, and `height` and `width` where
            the release tells them, else null.
        texts: Looks which studies of a copy have a report; gives None where none were found.
    """

    versions: tuple[str, ...]
    tables: tuple[PublishedTable, ...]
    counts: Mapping[str, Mapping[str, Counts]]
    folders: tuple[str, ...] = ()
    only_in: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    checksums: str | None = None
    unlisted: int = 0
    relations: tuple[Relation, ...] = ()
    images: Callable[[Mapping[str, pa.Table]], pa.Table] | None = None
    texts: Callable[[Copy], Texts | None] | None = None

    @property
    def table_files(self) -> list[str]:
        """All names that the files of the tables may have."""
        return [file for table in self.tables for file in table.files]

    def find_tables(self, names: Collection[str]) -> dict[str, str]:
        """Find the tables among the names in a folder.

        Returns:
            Name of a table -> its file, for those that are there.
        """
        found = {table.name: table.found_in(names) for table in self.tables}
        return {table: file for table, file in found.items() if file}

    def version_of(self, names: Collection[str], address: str) -> str | None:
        """Tell the version of a copy by what is in its folder, else by the folder's name.

        Args:
            names: Names in its folder.
            address: Its address.

        Returns:
            One of `versions`; None if nothing tells.
        """
        for version, files in self.only_in.items():
            if any(file in names for file in files):
                return version
        folder = addresses.last_part(addresses.links(address)[-1])
        return next((version for version in self.versions if _is_named(folder, version)), None)


def _is_named(folder: str, version: str) -> bool:
    """Whether a folder is called by a version, alone or after the name of the dataset."""
    return bool(re.search(rf"(?:^|-){re.escape(version)}(?:$|\.[a-z])", folder))
