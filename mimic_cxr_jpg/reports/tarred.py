"""Reports in a tar or tar.gz, which can only be read from its beginning to its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice, starmap
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets import limits
from cxr_datasets.limits import check_limit
from cxr_datasets.storage.download import forget
from cxr_datasets.storage.metered import Metered
from cxr_datasets.tables import index as index_file
from cxr_datasets.tables.keys import combined
from mimic_cxr_jpg.reports.archived import ArchivedReports, damaged
from mimic_cxr_jpg.reports.decoding import decoded
from mimic_cxr_jpg.reports.members import Link, Links
from mimic_cxr_jpg.reports.store import still_there
from mimic_cxr_jpg.reports.tar_members import (
    DOES_NOT_DECOMPRESS,
    PIECE,
    Member,
    read_members,
    read_pieces,
)

_TEXTS = pa.schema(
    {"name": pa.string(), "text": pa.string(), "link": pa.string(), "is_hard": pa.bool_()}
)
"""A row for each member that is a file, with its text, or a link, with where it leads."""

_MEMBERS_AT_ONCE = 4_096
_GZIP = b"\x1f\x8b"


class TarredReports(ArchivedReports):
    """Reports in a tar, compressed by gzip or not, whatever its name says.

    It is read once, into one Arrow file in the cache of `datasets`. There every worker finds each
    text without reading others.

    Attributes:
        cached: That Arrow file.
    """

    cached: str = ""

    def prepare(self, cache: str) -> None:
        """Copy the texts into the cache, unless they are there.

        Raises:
            ReportsError: The archive is damaged.
            StoreError: A remote archive cannot be read.
        """
        self.cached = self.file_in(cache, "reports", _TEXTS.names)
        if index_file.has_index(self.cached):
            return
        copy = self._hold(cache)
        index_file.write_tables(self.cached, _TEXTS, self._tables())
        if copy:
            forget(copy)

    def _tables(self) -> Iterator[pa.Table]:
        """Read the names and texts of all members, piece by piece."""
        read = 0
        with self._stream() as stream:
            for piece in read_pieces(stream):
                if piece is None:
                    break
                names, contents = piece
                read += len(names)
                check_limit(read, limits.MOST_MEMBERS)
                no_links = [pa.nulls(len(names), kind) for kind in (pa.string(), pa.bool_())]
                yield pa.table([names, decoded(contents), *no_links], _TEXTS)
            else:
                if not read:
                    raise damaged(self.address, "it is an archive without a file")
                return
        with self._stream() as stream:
            members = islice(read_members(stream, self.address), read, None)
            while some := list(islice(members, _MEMBERS_AT_ONCE)):
                read += len(some)
                check_limit(read, limits.MOST_MEMBERS)
                yield _table(some)
        if not read:
            raise damaged(self.address, "it is an archive without a file")

    @contextmanager
    def _stream(self) -> Iterator[Any]:
        with (
            still_there(self.address),
            self.held.arrow_file(self.held_path, limits.LARGEST_ARCHIVE) as file,
        ):
            yield Metered(_unpacked(file), limits.LARGEST_UNPACKED)

    def _agrees(self, copy: Path) -> bool:
        with pa.OSFile(str(copy)) as file, suppress(*DOES_NOT_DECOMPRESS):
            stream = Metered(_unpacked(file), limits.LARGEST_UNPACKED)
            while stream.read(PIECE):
                pass
            return True
        return False

    def _listing(self) -> tuple[pa.Array, Links]:
        name, link, is_hard = (
            combined(index_file.read_column(self.cached, column))
            for column in ("name", "link", "is_hard")
        )
        rows = pc.indices_nonzero(link.is_valid())
        links = zip(link.take(rows).to_pylist(), is_hard.take(rows).to_pylist(), strict=True)
        return name, dict(zip(rows.to_pylist(), starmap(Link, links), strict=True))

    def _places(self, rows: pa.Array) -> pa.Array:
        return rows

    def lacks(self, places: pa.Array) -> pa.Array:
        """See `ReportStore.lacks`."""
        texts = index_file.read_column(self.cached, "text")
        has_text = pa.concat_arrays([chunk.is_valid() for chunk in texts.chunks])
        return pc.invert(pc.fill_null(has_text.take(places), False))

    def read(self, places: pa.Array) -> pa.Array:
        """See `ReportStore.read`."""
        return index_file.take_rows(self.cached, "text", places)


def _unpacked(file: pa.NativeFile) -> pa.NativeFile:
    is_packed = file.read(len(_GZIP)) == _GZIP
    file.seek(0)
    # Unlike gzip's own, this one goes on where one compressed stream follows another.
    return pa.CompressedInputStream(file, "gzip") if is_packed else file


def _table(members: Iterable[Member]) -> pa.Table:
    names, contents, links = zip(*members, strict=True)
    targets = pa.array([link and link.target for link in links], pa.string())
    are_hard = pa.array([link and link.is_hard for link in links], pa.bool_())
    return pa.table([pa.array(names), decoded(contents), targets, are_hard], _TEXTS)
