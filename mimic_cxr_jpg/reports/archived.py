"""What a zip and a tar of reports have in common."""

from __future__ import annotations

import re
from abc import abstractmethod
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.errors import ReportsError
from cxr_datasets.storage.download import fetch_again, fetched, find_copy
from cxr_datasets.storage.source import Source, Stamp, open_place
from cxr_datasets.wording import get_logger
from mimic_cxr_jpg.reports.members import FILES, Links, Texts, find_texts
from mimic_cxr_jpg.reports.store import TEXT_PATH, ReportStore, still_there

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]

OUTSIDE = r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)"
"""Pattern of a member's name that is absolute, names a drive, or climbs out of the archive."""

_logger = get_logger(__name__)


class ArchivedReports(ReportStore):
    """Reports in one archive.

    Attributes:
        held: The folder the archive is read from; for a remote one the folder of its local copy.
        held_path: The archive within that folder.
    """

    def __init__(self, source: Source, path: str):
        super().__init__(source, path)
        self.held, self.held_path = source, path

    def _hold(self, cache: str, stamp: Stamp | None = None) -> Path | None:
        """Copy a remote archive into the cache; return the copy, or None for a local archive.

        Args:
            cache: Folder of the cache.
            stamp: The archive's stamp, if it is known.
        """
        if not self.source.is_remote:
            return None
        with still_there(self.address):
            copy = fetched(self.source, self.path, cache, self._agrees, stamp=stamp)
        self._read_from(copy)
        return copy

    def _hold_found(self, cache: str) -> bool:
        """Hold the copy of a remote archive that is in the cache; whether there is one."""
        with still_there(self.address):
            copy = find_copy(self.source, self.path, cache)
        if copy is not None:
            self._read_from(copy)
        return copy is not None

    def _read_from(self, copy: Path) -> None:
        self.held, self.held_path = open_place(copy.parent), copy.name

    def _hold_again(self) -> None:
        """Copy a remote archive once more, as the copy turned out damaged; see `fetch_again`."""
        with still_there(self.address):
            fetch_again(self.source, self.path, Path(self.held.root) / self.held_path)

    @abstractmethod
    def _agrees(self, copy: Path) -> bool:
        """Whether a copy agrees with the checksums in it, as far as that is soon seen."""

    @abstractmethod
    def _listing(self) -> tuple[pa.Array, Links]:
        """Give the names of all members, and the links among them. `_places` is called next."""

    @abstractmethod
    def _places(self, rows: pa.Array) -> pa.Array:
        """Turn numbers of members, as listed last, into places that `read` takes."""

    def locate(self, subject_ids: pa.Array, study_ids: pa.Array) -> pa.Array:
        """See `ReportStore.locate`."""
        texts = self._find(subject_ids, study_ids)
        if texts.rows.null_count == len(texts.rows):
            raise ReportsError(
                f"{self.address} holds no report of these studies: expected members such as "
                f"{TEXT_PATH}. Pass the reports of MIMIC-CXR as reports=."
            )
        if texts.passed_over:
            _logger.warning(
                "%d of %d texts in %s were passed over: another member is the same study's. One in "
                "%s goes before those in other folders, and of two of one name the last one counts",
                texts.passed_over, texts.members, self.address, FILES,
            )  # fmt: skip
        return self._places(texts.rows)

    def has(self, subject_ids: pa.Array, study_ids: pa.Array) -> pa.Array:
        """See `ReportStore.has`."""
        return pc.invert(self.lacks(self._places(self._find(subject_ids, study_ids).rows)))

    def _find(self, subject_ids: pa.Array, study_ids: pa.Array) -> Texts:
        """Find for each study the number of its member."""
        names, links = self._listing()
        if not len(names):
            raise damaged(self.address, "it is an archive without a member")
        return find_texts(names, subject_ids, study_ids, links, self.address)


def check_inside(name: str, address: str) -> None:
    """Refuse an archive if unpacking it would write a member outside the chosen folder.

    Args:
        name: The member's name.
        address: Where the archive is, for the error.

    Raises:
        ReportsError: The name is absolute or climbs out.
    """
    if re.search(OUTSIDE, name):
        raise ReportsError(
            f"{address}: member {name[:80]!r} leads outside the archive. This is not the release's "
            "own file; do not unpack it, and fetch mimic-cxr-reports.zip from PhysioNet again."
        )


def plain_names(names: pa.Array) -> pa.Array | None:
    """Turn names of members, as binary, into strings.

    Returns:
        String array; None if a name is not UTF-8 or would be refused by `check_inside`.
    """
    try:
        text = names.cast(pa.string())
    except pa.ArrowInvalid:
        return None
    return None if pc.any(pc.match_substring_regex(text, OUTSIDE)).as_py() else text


def segments(data: Bytes, starts: Numbers, sizes: Numbers) -> pa.Array:
    """Copy pieces of a buffer into one binary array.

    Args:
        data: The buffer, at most 2 GiB.
        starts: Where each of n pieces begins; in order, and no two overlap.
        sizes: Their n sizes in bytes.
    """
    if not len(starts):
        return pa.array([], pa.binary())
    # As an Arrow array the buffer is piece, gap, piece, gap, ...; of these every second is taken.
    limits = np.stack([starts, starts + sizes], axis=1).ravel().astype(np.int32)
    both = pa.BinaryArray.from_buffers(
        pa.binary(), len(limits) - 1, [None, pa.py_buffer(limits), pa.py_buffer(data)]
    )
    return both.take(pa.array(np.arange(0, len(limits) - 1, 2)))


def damaged(address: str, what: str) -> ReportsError:
    """Build the error for a damaged archive.

    Args:
        address: Where the archive is.
        what: What is wrong with it, as a clause.
    """
    return ReportsError(
        f"{address}: {what}. Fetch the reports again and compare them with the release's checksums."
    )
