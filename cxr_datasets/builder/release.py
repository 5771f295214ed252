"""What a dataset's own package gives to the shared builder: a copy of its release, opened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import pyarrow as pa

from cxr_datasets.errors import ReleaseError
from cxr_datasets.storage.addresses import is_archive
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.source import Problem, Source, Stamp, open_place, told_names
from cxr_datasets.wording import get_logger

_MOST_FOLDERS_AROUND = 3
_OF_MACOS = "__MACOSX"
"""The folder that macOS adds to the archives it writes."""

_logger = get_logger(__name__)


class Release(ABC):
    """One copy of a dataset, found and recognised; its tables are not read yet.

    It is pickled to every worker, so it holds addresses, not data.

    Attributes:
        source: Where it is.
        TEXTS: The columns that `add_texts` adds. Where none of them is looked at, as in a stream
            whose `select_columns` leaves them out, it is not called and they are null.
    """

    source: Source
    TEXTS: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def stamps(self) -> list[Stamp]:
        """Give the state of every file that the rows come from, for the cache key.

        Returns:
            The stamp of each.
        """

    @abstractmethod
    def index(self, cache: str) -> pa.Table:
        """Read and join the tables, and prepare what else they need.

        Args:
            cache: As for `prepare`.

        Returns:
            A row per image in the release's order, with every column of config `images` but
            `image` and those that `add_texts` adds, each of the type that its feature is stored
            as, and two more: `split`, a name of `columns.SPLITS`, or null for an image that is in
            no split and is left out; and `rank`, an integer that orders the images of a study.
            `image_id` repeats no value. It, `study_id`, `subject_id`, `view`, `path` and `rank`
            are never null. Each of the 14 labels, or all, are null where the release does not
            tell. The builder checks all this.
        """

    def study_times(self, index: pa.Table) -> pa.Array:
        """Say when the study of each row of `index` was made, for a dataset with `priors`.

        Returns:
            timestamp[ms], as long as `index` and the same for all images of a study; null where
            the date or the time is not known.
        """
        raise NotImplementedError

    def prepare(self, cache: str) -> None:  # noqa: B027  (most releases need nothing)
        """Get ready what `add_texts` needs on disk, where `index` was not called.

        Args:
            cache: Folder in the cache of `datasets`, shared by all processes; may not exist yet.
        """

    def keep(self) -> None:  # noqa: B027  (most releases need nothing)
        """Write to the cache what later starts are to find, now that nothing ended in an error."""

    def add_texts(self, rows: pa.Table) -> pa.Table:
        """Add the columns of report text to rows of the index; unless overridden, it has them."""
        return rows

    def without_texts(self, rows: pa.Table) -> pa.Table:
        """Add the columns of report text as `add_texts` does, all null: no report is read."""
        for name in self.TEXTS:
            rows = rows.append_column(name, pa.nulls(rows.num_rows, pa.string()))
        return rows


_PROBLEMS: dict[Problem, str] = {
    "closed": (
        "may not be read: permission denied. Check the permissions of the folder and of those "
        "above it, or pass another copy."
    ),
    "broken": (
        "is no zip archive. It is damaged or was not downloaded to its end: fetch it again."
    ),
    "file": "is a file. Pass the folder that holds the tables.",
    "absent": "does not exist. Check the path; to get a copy of {dataset}, see {download}.",
    "empty": (
        "is empty. Pass the folder that holds the tables of {dataset}; to get a copy, see "
        "{download}."
    ),
}


def open_source(
    data_dir: str | None,
    dataset: str,
    download: str,
    options: StorageOptions | None = None,
    connections: int | None = None,
    option: str = "data_dir",
) -> Source:
    """Open the folder a user named.

    A remote one is not looked at: many stores have no folders, and reading its tables will tell.

    Args:
        data_dir: What the user gave.
        dataset: The dataset's name, for the errors.
        download: Where to get the data, for the errors.
        options: Storage options.
        connections: Most requests at once to a remote store.
        option: The option that named it.

    Raises:
        ReleaseError: It is not given, not there, closed to this user, or holds nothing.
    """
    if not data_dir:
        raise ReleaseError(
            f"{dataset} is read from your own copy: pass data_dir=, the folder that holds its "
            f"tables. To get a copy, see {download}."
        )
    source = open_place(data_dir, options, connections)
    problem = source.problem()
    if problem is not None:
        told = _PROBLEMS[problem].format(dataset=dataset, download=download)
        raise ReleaseError(f"{option}={source.shown()} {told}")
    return unwrapped(source)


def unwrapped(source: Source) -> Source:
    """Enter the folder that some archives have around everything.

    Say in one line how many members of an archive are not read, because a later one has their name.
    """
    if not is_archive(source.root):
        return source
    repeats, members = source.repeats()
    if repeats:
        _logger.warning(
            "%d of %d members of %s have the name of a later one, which counts",
            repeats, members, source.shown(),
        )  # fmt: skip
    for _ in range(_MOST_FOLDERS_AROUND):
        names = [name for name in source.names() if name != _OF_MACOS]
        if len(names) != 1 or not source.is_folder(names[0]):
            break
        source = source.folder(names[0])
    return source


def not_this_dataset(
    source: Source, dataset: str, looked_for: str, hint: str = "", option: str = "data_dir"
) -> ReleaseError:
    """Build the error for a folder that lacks the table every copy of a dataset has.

    Args:
        source: The folder.
        dataset: The dataset's name.
        looked_for: The table.
        hint: What it might be instead, or where the right folder might be.
        option: The option that named it.
    """
    return ReleaseError(
        f"{option}={source.shown()} is not a copy of {dataset}: expected {looked_for} in it, found "
        f"{told_names(source.some_names())}. {hint or 'Pass the folder that holds the tables.'}"
    )
