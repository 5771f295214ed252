"""Where the free-text reports are, and how to read those of some studies.

They belong to another project than the images, MIMIC-CXR, and users have them in three forms: the
zip of the release, a tar.gz, or a tree of files, often unpacked into the tree of the images.
Each text is at `files/pXX/p<subject>/s<study>.txt`, beside the folder of the study's images.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.errors import ReportsError
from cxr_datasets.storage.download import fetched
from cxr_datasets.storage.source import Source, Stamp, open_place
from cxr_datasets.tables import index as index_file
from cxr_datasets.tables.keys import combined, find_keys
from mimic_cxr_jpg.archives import read_tar_members, read_zip_directory, read_zip_members
from mimic_cxr_jpg.bulk import read_tar_pieces
from mimic_cxr_jpg.tables import patient_folders

ARCHIVES = ("mimic-cxr-reports.zip", "mimic-cxr-reports.tar.gz", "mimic-cxr-reports.tgz")
TREES = ("", "mimic-cxr-reports")
"""Folders, in a place where reports may be, that may hold `files/` with the texts."""

_GROUP = re.compile(r"p1\d")
_TEXT = re.compile(r"s\d{8}\.txt")
_MEMBER = "files/p1x/p1xxxxxxx/s5xxxxxxx.txt"
_SIBLING = re.compile(r"mimic-cxr(?!-jpg)")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_PATIENTS_LOOKED_AT = 5
_LEVELS_ABOVE = 3
_LEVELS_TO_THE_PROJECT = 2
_MEMBERS_AT_ONCE = 4_096
_TEXTS = pa.schema({"name": pa.string(), "text": pa.string()})


class ReportStore(ABC):
    """Reports in one of their forms. It is pickled to every worker and holds no texts.

    Attributes:
        source: The folder they are in.
        path: Their file or folder within it.
        held: The folder they are read from; for a remote archive its copy's.
        held_path: Their file or folder within that.
    """

    def __init__(self, source: Source, path: str):
        self.source = self.held = source
        self.path = self.held_path = path

    @property
    def address(self) -> str:
        """Where the reports are."""
        return self.source.address(self.path)

    def stamps(self) -> list[Stamp]:
        """What changes when the reports do."""
        return [self.source.stamp(self.path)._replace(path=self.address)]

    def prepare(self, cache: str) -> None:  # noqa: B027  (a tree needs nothing)
        """Make what `locate` and `read` need in the cache."""

    def _hold(self, cache: str) -> Path | None:
        """Copy a remote archive into the cache; gives the copy, None for what is local."""
        if not self.source.is_remote:
            return None
        copy = fetched(self.source, self.path, cache)
        self.held, self.held_path = open_place(copy.parent), copy.name
        return copy

    @abstractmethod
    def locate(self, subject_ids: pa.Array, study_ids: pa.Array) -> pa.Array:
        """Find the text of each study.

        Returns:
            Array for `read`, as long as the ids; null where a study has no text.

        Raises:
            ReportsError: The archive is damaged.
        """

    @abstractmethod
    def read(self, places: pa.Array) -> pa.Array:
        """Read texts.

        Args:
            places: Some of the values that `locate` gave.

        Returns:
            String array as long; null where the place is null or the file is not there.

        Raises:
            ReportsError: A text is damaged.
        """


class ZippedReports(ReportStore):
    """Reports in a zip archive, read in place; a remote one is copied into the cache first.

    Read in place over a network, its directory alone would be a seventh of it, and its texts as
    many requests as there are shards, again in every epoch.
    """

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_mapped"}

    def prepare(self, cache: str) -> None:
        """Copy a remote archive into the cache, unless it is there.

        Raises:
            StoreError: It cannot be read.
        """
        self._hold(cache)

    @property
    def _archive(self) -> memoryview:
        if not hasattr(self, "_mapped"):
            with _permitted(self.address):
                self._mapped = memoryview(self.held.mapped(self.held_path))
        return self._mapped

    def locate(self, subject_ids: pa.Array, study_ids: pa.Array) -> pa.Array:
        """See `ReportStore.locate`."""
        names, places = read_zip_directory(self._archive, self.address)
        return places.take(_find_members(names, subject_ids, study_ids, self.address))

    def read(self, places: pa.Array) -> pa.Array:
        """See `ReportStore.read`."""
        present = places.is_valid()
        contents = read_zip_members(self._archive, places.filter(present), self.address)
        absent = pa.nulls(len(places), pa.string())
        return pc.replace_with_mask(absent, present, _decoded(contents))


class TarredReports(ReportStore):
    """Reports in a tar.gz, which can only be read from its beginning to its end.

    It is read once, into one Arrow file in the cache of `datasets`, where every worker finds any
    text at once.
    """

    cached: str = ""

    def prepare(self, cache: str) -> None:
        """Copy the texts into the cache, unless they are there.

        Raises:
            ReportsError: The archive is damaged.
        """
        key = hashlib.sha256(repr(list(map(tuple, self.stamps()))).encode()).hexdigest()[:16]
        self.cached = f"{cache}/mimic-cxr-reports-{key}.arrow"
        if index_file.has_index(self.cached):
            return
        copy = self._hold(cache)
        index_file.write_tables(self.cached, _TEXTS, self._tables())
        if copy:
            copy.unlink(missing_ok=True)  # another process may have been faster

    def _tables(self) -> Iterator[pa.Table]:
        """Names and texts of all members, piece by piece."""
        read = 0
        with self._stream() as stream:
            for piece in read_tar_pieces(stream):
                if piece is None:
                    break
                read += len(piece[0])
                yield pa.table([piece[0], _decoded(piece[1])], _TEXTS)
            else:
                return
        with self._stream() as stream:
            members = islice(read_tar_members(stream, self.address), read, None)
            while some := list(islice(members, _MEMBERS_AT_ONCE)):
                names, contents = zip(*some, strict=True)
                yield pa.table([pa.array(names), _decoded(contents)], _TEXTS)

    @contextmanager
    def _stream(self) -> Iterator[Any]:
        with _permitted(self.address), self.held.arrow_file(self.held_path) as file:
            yield pa.CompressedInputStream(file, "gzip")

    def locate(self, subject_ids: pa.Array, study_ids: pa.Array) -> pa.Array:
        """See `ReportStore.locate`."""
        names = combined(index_file.read_column(self.cached, "name"))
        return pc.cast(_find_members(names, subject_ids, study_ids, self.address), pa.int64())

    def read(self, places: pa.Array) -> pa.Array:
        """See `ReportStore.read`."""
        return index_file.take_rows(self.cached, "text", places)


class ReportTree(ReportStore):
    """Reports as files in folders."""

    def stamps(self) -> list[Stamp]:
        """The patients' folders: they change when a text is added or removed."""
        changed = self.source.subfolder_stamp(_within(self.path, "files"))
        return [Stamp(self.address, 0, changed)]

    def locate(self, subject_ids: pa.Array, study_ids: pa.Array) -> pa.Array:
        """See `ReportStore.locate`; whether a file is there shows when it is read."""
        paths = _member_names(subject_ids, study_ids)
        return pc.binary_join_element_wise(_within(self.path, ""), paths, "")

    def read(self, places: pa.Array) -> pa.Array:
        """See `ReportStore.read`."""
        paths = places.to_pylist()
        files = zip(paths, self.source.each(paths), strict=True)
        return _decoded([self._text(path, read) for path, read in files])

    def _text(self, path: str, read: Callable[[], bytes]) -> bytes | None:
        try:
            with _permitted(self.source.address(path)):
                return read()
        except FileNotFoundError:
            return None


@contextmanager
def _permitted(address: str) -> Iterator[None]:
    try:
        yield
    except PermissionError:
        raise _not_permitted(address) from None


def _not_permitted(address: str) -> ReportsError:
    return ReportsError(
        f"{address} may not be read: permission denied. Check its permissions and those of the "
        "folders above it, or pass another copy as reports=."
    )


def _within(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _member_names(subject_ids: pa.Array, study_ids: pa.Array) -> pa.Array:
    study = pc.cast(study_ids, pa.string())
    return pc.binary_join_element_wise(patient_folders(subject_ids), "/s", study, ".txt", "")


def _find_members(
    names: pa.Array, subject_ids: pa.Array, study_ids: pa.Array, address: str
) -> pa.Array:
    """Number of the member of each study; null where there is none."""
    # Some archives have a folder of their own around files/.
    tails = pc.utf8_slice_codeunits(names, -len(_MEMBER))
    found = find_keys(_member_names(subject_ids, study_ids), tails)
    if found.null_count == len(found):
        raise ReportsError(
            f"{address} holds no report of these studies: expected members such as "
            f"{_MEMBER}. Pass the reports of MIMIC-CXR as reports=."
        )
    return found


def _decoded(contents: Any) -> pa.Array:
    """Texts from bytes; the few that are not UTF-8 are read as Latin-1, which loses nothing.

    A file without a byte, an unfinished download for example, is no report: null.
    """
    binary = contents if isinstance(contents, pa.Array) else pa.array(contents, pa.binary())
    binary = pc.if_else(pc.equal(pc.binary_length(binary), 0), None, binary)
    try:
        return binary.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([None if text is None else _text(text) for text in binary.to_pylist()])


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def find_reports(data: Source, reports: str | None) -> ReportStore | None:
    """Find the reports of a release.

    Args:
        data: The release of the images.
        reports: Where they are; None looks in `data`, above it and beside it.

    Returns:
        The reports, or None if they were not found.

    Raises:
        ReportsError: They are not where `reports` says.
    """
    if reports is not None:
        return _given_reports(reports, data)
    if data.is_remote:  # to look for a tree, folder after folder has to be listed there
        for place in (data, physionet_project(data)):
            archive = place.first_existing(ARCHIVES)
            if archive:
                return _archive(place, archive)
    for place in _places(data):
        store = _reports_in(place)
        if store:
            return store
    return None


def _given_reports(reports: str, data: Source) -> ReportStore:
    given = open_place(reports, data.options, data.connections)
    folder, name = given.folder(".."), posixpath.basename(given.root.partition("::")[0])
    if folder.size(name) is not None:
        return _archive(folder, name)
    if given.is_remote:
        store = _reports_in(given)
        if store:
            return store
        given.check_permitted()
        raise ReportsError(
            f"reports={given.root} is not there, or holds no reports. Pass the address of "
            "mimic-cxr-reports.zip, of a .tar.gz of it, or of the folder that holds its files/."
        )
    if folder.is_closed or given.is_closed:
        raise _not_permitted(f"reports={given.root}")
    if not folder.is_folder(name):
        raise ReportsError(
            f"reports={given.root} does not exist. Pass mimic-cxr-reports.zip, a .tar.gz of it, or "
            "the folder that holds its files/."
        )
    store = _reports_in(given)
    if store is None:
        raise ReportsError(
            f"reports={given.root} holds no reports: expected one of {', '.join(ARCHIVES)}, or "
            "files/p1x/p1xxxxxxx/s5xxxxxxx.txt. Pass the archive or the folder that holds files/."
        )
    return store


def _archive(folder: Source, name: str) -> ReportStore:
    if name.endswith(".zip"):
        return ZippedReports(folder, name)
    if name.endswith((".tar.gz", ".tgz")):
        return TarredReports(folder, name)
    raise ReportsError(
        f"reports={folder.address(name)} is no archive this reads: expected a name that ends in "
        ".zip, .tar.gz or .tgz."
    )


def _places(data: Source) -> Iterator[Source]:
    """Folders to look in, nearest first: the release, those above, and their siblings."""
    yield data
    for level in range(1, _LEVELS_ABOVE + 1):
        above = data.folder("/".join([".."] * level))
        yield above
        if data.is_remote and level == _LEVELS_TO_THE_PROJECT:
            yield physionet_project(data)
        for name in above.names():
            if _SIBLING.match(name):
                sibling = above.folder(name)
                yield sibling
                versions = filter(_VERSION.fullmatch, reversed(sibling.names()))
                yield from map(sibling.folder, versions)


def physionet_project(data: Source) -> Source:
    """The folder of MIMIC-CXR beside the images, where it has PhysioNet's own name.

    Servers that do not list their folders do not tell what is beside one.
    """
    version = posixpath.basename(data.root.partition("::")[0])
    return data.folder("/".join([".."] * _LEVELS_TO_THE_PROJECT)).folder(f"mimic-cxr/{version}")


def _reports_in(place: Source) -> ReportStore | None:
    archive = place.first_existing(ARCHIVES)
    if archive:
        return _archive(place, archive)
    for tree in TREES:
        if _has_texts(place, _within(tree, "files")):
            return ReportTree(place, tree)
    return None


def _has_texts(place: Source, files: str) -> bool:
    """Whether a tree holds texts beside its study folders; looks at a few patients only."""
    for group in filter(_GROUP.fullmatch, place.names(files)):
        patients = place.names(f"{files}/{group}")[:_PATIENTS_LOOKED_AT]
        for patient in patients:
            if any(map(_TEXT.fullmatch, place.names(f"{files}/{group}/{patient}"))):
                return True
    return False
