"""Which member of an archive is the report of which study."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.errors import ReportsError
from cxr_datasets.tables.keys import all_differ, find_keys
from mimic_cxr_jpg.reports.store import text_paths


class Link(NamedTuple):
    """Where a link leads.

    Attributes:
        target: A path, as it stands in the archive.
        is_hard: Whether that begins at the top of the archive, and not in the link's folder.
    """

    target: str
    is_hard: bool = False


Links = Mapping[int, Link]
"""Number of a member -> where it leads, for those that are links."""

FILES = "files/"
"""The folder of the texts in the release's own archive."""

_TEXT = len("p1x/p1xxxxxxx/s5xxxxxxx.txt")
_MOST_LINKS = 40
"""Links one behind the other that are followed, as many as Linux follows."""


class Texts(NamedTuple):
    """Where the texts of some studies are.

    Attributes:
        rows: For each study the number of its member, int64; null where there is none.
        members: How many members are texts of these studies.
    """

    rows: pa.Array
    members: int

    @property
    def passed_over(self) -> int:
        """How many members are not taken, because another one is of the same study."""
        return max(0, self.members - (len(self.rows) - self.rows.null_count))


def find_texts(
    names: pa.Array,
    subject_ids: pa.Array,
    study_ids: pa.Array,
    links: Links,
    address: str,
) -> Texts:
    """Find the text of each study among the members of an archive.

    A text is a member `p1x/p1xxxxxxx/s5xxxxxxx.txt`, in whatever folder. If a study has several,
    one in `files/` at the top goes before those in other folders, and of several of one name the
    last one counts, as `unzip` and `tar` have it.

    Args:
        names: Of all members, in order.
        subject_ids: The patient of each study.
        study_ids: The studies, each of them once.
        links: The members that are links.
        address: Where the archive is, for the errors.

    Raises:
        ReportsError: A link in the place of a text leads to nothing in the archive.
    """
    names = _with_slashes(names)
    wanted = text_paths(subject_ids, study_ids)
    tails = pc.utf8_slice_codeunits(names, -_TEXT)
    texts = _all_alike(names, tails, wanted) or _ranked(names, tails, wanted)
    if not links:
        return texts
    rows = _Paths(names, links, address).followed(texts.rows.to_pylist(), wanted.to_pylist())
    return Texts(pa.array(rows, pa.int64()), texts.members)


def is_text(name: str) -> bool:
    """Whether a member has the name of a report, in whatever folder."""
    return re.search(r"(^|[/\\])s\d{8}\.txt$", name) is not None


def _with_slashes(names: pa.Array) -> pa.Array:
    """Write names of members as the release does: `/` between folders, and no `./` before them."""
    characters = np.frombuffer(names.buffers()[2] or b"", np.uint8)
    if (characters == ord("\\")).any():  # a tenth of the time that match_substring takes
        names = pc.replace_substring(names, "\\", "/")
    if pc.any(pc.starts_with(names, "./")).as_py():
        names = pc.replace_substring_regex(names, r"^(\./+)+", "")
    return names


# --- by name --------------------------------------------------------------------------------------


def _all_alike(names: pa.Array, tails: pa.Array, wanted: pa.Array) -> Texts | None:
    """`find_texts` for an archive with all texts in one folder, and each once; else None."""
    places = find_keys(wanted, tails)
    found = places.drop_null()
    folder = names[found[0].as_py()].as_py()[:-_TEXT] if len(found) else ""
    lengths = pc.binary_length(names)
    in_it = pc.and_(pc.starts_with(names, folder), pc.equal(lengths, len(folder) + _TEXT))
    if not _is_folder(folder) or not pc.all(in_it.take(found)).as_py():
        return None
    whole = tails.filter(pc.greater_equal(lengths, _TEXT))
    return Texts(pc.cast(places, pa.int64()), len(found)) if all_differ(whole) else None


def _is_folder(prefix: str) -> bool:
    return not prefix or prefix.endswith("/")


def _ranked(names: pa.Array, tails: pa.Array, wanted: pa.Array) -> Texts:
    """`find_texts` for any archive."""
    study = pc.index_in(tails, value_set=wanted)
    rows = pc.indices_nonzero(study.is_valid())
    folder = pc.utf8_slice_codeunits(names.take(rows), 0, -_TEXT).dictionary_encode()
    folders = folder.dictionary.to_pylist()
    counts = np.bincount(folder.indices.to_numpy(), minlength=len(folders)).tolist()
    valid = pa.array([_is_folder(name) for name in folders], pa.bool_()).take(folder.indices)
    rank = np.empty(len(folders), np.int64)
    best_first = sorted(range(len(folders)), key=lambda n: _order(folders[n], counts[n]))
    rank[best_first] = np.arange(len(folders))
    rank = rank[folder.indices.to_numpy()][valid.to_numpy(zero_copy_only=False)]
    rows = rows.filter(valid).to_numpy().astype(np.int64)
    study = study.to_numpy(zero_copy_only=False)[rows].astype(np.int64)
    # Of several rows of one study, the last one written stays: of the best folder the last one.
    order = np.lexsort((rows, -rank))
    best = np.full(len(wanted), -1, np.int64)
    best[study[order]] = rows[order]
    return Texts(pa.array(best, mask=best < 0), len(rows))


def _order(folder: str, texts: int) -> tuple[bool, bool, int, int, str]:
    """The folder whose texts count comes first: the release's own, or one near the top."""
    return folder != FILES, folder != "", folder.count("/"), -texts, folder


# --- links ----------------------------------------------------------------------------------------


class _Paths:
    """The paths in an archive, those that go through links among them."""

    def __init__(self, names: pa.Array, links: Links, address: str):
        self._names = [name.rstrip("/") for name in names.to_pylist()]
        self._row_of = {name: row for row, name in enumerate(self._names)}
        self._links = {
            self._names[row]: _path(self._names[row], link)
            for row, link in links.items()
            if self._row_of[self._names[row]] == row
        }
        self._address = address

    def followed(self, rows: list[int | None], texts: list[str]) -> list[int | None]:
        """Find the text of each study that is a link, or is in a folder that is one.

        Args:
            rows: For each study its member; None where none has the name.
            texts: The name of each study's text, without the folder that `files` is.
        """
        folders = {self._names[row][:-_TEXT] for row in rows if row is not None} | {FILES, ""}
        in_order = sorted(folders, key=lambda folder: _order(folder, 0))
        return [
            self._elsewhere(f"{folder}{text}" for folder in in_order)
            if row is None
            else self._target(row)
            for row, text in zip(rows, texts, strict=True)
        ]

    def _target(self, row: int) -> int | None:
        name = self._names[row]
        return row if name not in self._links else self._member(self._followed(name))

    def _elsewhere(self, paths: Iterable[str]) -> int | None:
        """Find the member that the first of some paths leads to, if one goes through a link."""
        for path in paths:
            way = self._followed(path)
            if way.link is not None:
                return self._member(way)
        return None

    def _followed(self, path: str) -> _Way:
        link = target = None
        for _ in range(_MOST_LINKS):
            through = next((head for head in _heads(path) if head in self._links), None)
            if through is None:
                return _Way(path, link, target)
            link, target = through, self._links[through]
            path = posixpath.normpath(target + path[len(through) :])
        return _Way("", link, "itself")

    def _member(self, way: _Way) -> int | None:
        if way.end in self._row_of:
            return self._row_of[way.end]
        if way.target in self._folders:
            return None
        raise ReportsError(
            f"{self._address}: {str(way.link)[-80:]!r} is a link to {str(way.target)[:80]!r}, "
            "which is not in the archive. Pack the reports again with the files themselves "
            "(tar --dereference), or pass the folder that holds files/ as reports=."
        )

    @cached_property
    def _folders(self) -> set[str]:
        return {folder for name in self._names for folder in list(_heads(name))[:-1]}


class _Way(NamedTuple):
    """Where a path ends, and the last link on the way, with what that leads to."""

    end: str
    link: str | None
    target: str | None


def _path(name: str, link: Link) -> str:
    """Give the path in the archive that a link of some name leads to."""
    target = link.target.replace("\\", "/")
    return posixpath.normpath(target if link.is_hard else f"{posixpath.dirname(name)}/{target}")


def _heads(path: str) -> Iterator[str]:
    """Give a path's folders, outermost first, and the path itself."""
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
