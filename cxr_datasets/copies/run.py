"""The steps of a download: checksums, tables, reports, index, room, images."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder import CxrBuilder, PublishedTable
from cxr_datasets.columns import SPLITS
from cxr_datasets.copies.bring import Bringer, Brought, Tell, lacking, strings
from cxr_datasets.copies.checksums import Checksums, read_checksums
from cxr_datasets.copies.fetcher import Fetcher
from cxr_datasets.copies.folder import WHOLE, CopyFolder, asked_images
from cxr_datasets.copies.results import Downloaded, size_told
from cxr_datasets.copies.selection import Selection
from cxr_datasets.errors import ReleaseError, StoreError, TableError
from cxr_datasets.export.progress import bar_of
from cxr_datasets.storage.source import open_place
from cxr_datasets.tables.keys import combined
from cxr_datasets.wording import get_logger

_REPORTS_SUMS = ".cxr-download/reports"
"""Folder in a copy for the list of checksums of the project of the reports."""

_logger = get_logger(__name__)


@dataclass(frozen=True)
class Wanted:
    """What a user asked for.

    Attributes:
        dataset: Name of the dataset.
        kind: Its builder.
        version: Version of the release.
        selection: Which images.
        images: Whether any.
        reports: Whether the reports too.
    """

    dataset: str
    kind: type[CxrBuilder]
    version: str
    selection: Selection
    images: bool
    reports: bool

    @property
    def tables(self) -> list[PublishedTable]:
        """The tables that this version of the release has."""
        assert self.kind.PUBLISHED is not None
        return [table for table in self.kind.PUBLISHED.tables if self.version in table.rows]

    @property
    def checksums(self) -> str | None:
        """The list of checksums."""
        return self.kind.PUBLISHED.checksums if self.kind.PUBLISHED else None

    def wanted_images(self, root: Path) -> pa.Table:
        """Build the index from the tables in a folder, as for loading, and choose from it.

        Raises:
            CxrError: The tables are broken, or the options leave no image.
        """
        views = self.selection.views
        builder = self.kind(
            config_name="images", data_dir=str(root), views=None if views is None else list(views)
        )
        return self.selection.of(builder.wanted_images())


class Run:
    """One download into a copy, which is locked meanwhile."""

    def __init__(
        self,
        wanted: Wanted,
        copy: CopyFolder,
        fetcher: Fetcher,
        reports: Fetcher | None,
        check: bool,
        progress: bool,
    ):
        """Nothing is done yet.

        Args:
            wanted: What is asked for.
            copy: Where to.
            fetcher: Brings tables and images.
            reports: Brings the reports.
            check: Whether to read files again that were read before.
            progress: Whether to show a bar.
        """
        self.wanted, self.copy = wanted, copy
        self.fetcher, self.of_reports = fetcher, reports
        self._check, self._progress = check, progress
        self.brought, self.present = Brought(), 0
        fetcher.progress = progress

    @property
    def lacks_reports(self) -> bool:
        """Whether the reports are wanted and not there."""
        publisher = self.wanted.kind.PUBLISHER
        if self.of_reports is None or publisher is None or publisher.reports is None:
            return False
        return not self.copy.place(publisher.reports.file).is_file()

    def elsewhere(self, copy: CopyFolder) -> Run:
        """The same download into another folder."""
        return Run(self.wanted, copy, self.fetcher, self.of_reports, self._check, self._progress)

    def fetch(self) -> Downloaded:
        """Do all steps.

        Raises:
            CxrError: A step cannot be done. What came whole is kept.
        """
        sums = self.fetch_tables()
        if self.of_reports:
            self._fetch_reports(self.of_reports)
        images = self.wanted.wanted_images(self.copy.root) if self.wanted.images else None
        paths = strings([]) if images is None else combined(images["path"])
        self._note(paths)
        if images is not None:
            self._fetch_images(paths, sums)
        if not self.brought.faults:
            self.copy.clear()
        return Downloaded(
            dataset=self.wanted.dataset,
            release=self.wanted.version,
            out=str(self.copy.root),
            source=self.fetcher.shown(),
            images=len(paths),
            present=self.present,
            fetched=self.brought.files,
            bytes=self.brought.bytes,
            seconds=0.0,
            faults=self.brought.faults,
            call=self._call(len(paths)),
        )

    # --- tables -----------------------------------------------------------------------------------

    def fetch_tables(self) -> Checksums | None:
        """Fetch the list of checksums and the tables that are not there.

        Returns:
            The list; None if the release has none.

        Raises:
            ReleaseError: A table without which no copy is of use is not there.
            StoreError: The place refuses this user, or failed again and again.
        """
        sums = self._fetch_checksums()
        names = [self._name_of(table) for table in self.wanted.tables]
        files = strings(filter(None, names))
        digests = pc.coalesce(_digests(sums, files), self._published(files))
        missing = lacking(self.copy, files, digests, self._check, self._count)
        self._bring(files, digests, missing, small=False)
        for table, name in zip(self.wanted.tables, names, strict=True):
            fault = self.brought.faults.pop(name, None) if name else "is not there"
            if fault and table.required:
                raise ReleaseError(
                    f"{self.fetcher.shown(name or table.files[0])} {fault}. Without this table no "
                    "copy is of use: check the address, and start again."
                )
            if fault:
                _logger.warning(
                    "%s %s: the columns that come from it will be null",
                    self.fetcher.shown(name or table.files[0]), fault,
                )  # fmt: skip
        return sums

    def _published(self, files: pa.Array) -> pa.Array:
        """The sha256 of tables as their publisher gives them, under the release's own names."""
        known = {table.files[0]: table.sha256.get(self.wanted.version)
                 for table in self.wanted.tables if self.fetcher.is_publisher}  # fmt: skip
        return strings(known.get(file) for file in files.to_pylist())

    def _name_of(self, table: PublishedTable) -> str | None:
        """The name of a table's file in the copy, or else at the source."""
        there = [file for file in table.files if self.copy.place(file).is_file()]
        return there[0] if there else self.fetcher.find(table.files)

    def _fetch_checksums(self) -> Checksums | None:
        name = self.wanted.checksums
        if name is None:
            return None
        known = self._read_checksums(self.copy.root, name)
        if known is None:
            self._bring_one(self.fetcher, self.copy, name)
            known = self._read_checksums(self.copy.root, name)
        if known is None:
            self.brought.faults.pop(name, None)
            _logger.warning(
                "%s is not there: images are checked by the marks at their ends only",
                self.fetcher.shown(name),
            )
        return known

    def _read_checksums(self, root: Path, name: str) -> Checksums | None:
        """Read a list; None if it is not there, or is something else."""
        try:
            return read_checksums(open_place(str(root)), name)
        except FileNotFoundError:
            return None
        except TableError as error:
            _logger.warning("%s", error)
            with self.copy.on_disk(root / name):
                (root / name).unlink()
            return None

    # --- reports ----------------------------------------------------------------------------------

    def _fetch_reports(self, fetcher: Fetcher) -> None:
        """Fetch the reports, and compare them with the list of their own project."""
        publisher = self.wanted.kind.PUBLISHER
        assert publisher
        assert publisher.reports
        file = strings([publisher.reports.file])
        digests = strings([None])
        if fetcher is not self.fetcher and self.wanted.checksums:
            beside = CopyFolder(self.copy.root / _REPORTS_SUMS, self.copy.closed)
            sums = self._sums_of_reports(fetcher, beside, self.wanted.checksums)
            digests = _digests(sums, file)
        missing = lacking(self.copy, file, digests, self._check, self._count)
        self._bring(file, digests, missing, small=False, fetcher=fetcher)

    def _sums_of_reports(self, fetcher: Fetcher, beside: CopyFolder, name: str) -> Checksums | None:
        known = self._read_checksums(beside.root, name)
        if known is None:
            with beside.locked():
                self._bring_one(fetcher, beside, name)
            known = self._read_checksums(beside.root, name)
        self.brought.faults.pop(name, None)
        return known

    def _bring_one(self, fetcher: Fetcher, copy: CopyFolder, name: str) -> None:
        bringer = Bringer(copy, fetcher, lambda files, size: None)
        self.brought.add(bringer.bring(strings([name]), strings([None]), small=False))
        fault = self.brought.faults.get(name, "")
        if fault and "not there" not in fault:
            raise StoreError(f"{fetcher.shown(name)} {fault}. Start again later.")

    # --- images -----------------------------------------------------------------------------------

    def _fetch_images(self, paths: pa.Array, sums: Checksums | None) -> None:
        digests = _digests(sums, paths)
        with bar_of("look", len(paths), "files", self._progress) as bar:

            def tell(files: int, size: int) -> None:
                self._count(files, size)
                bar.update(files)

            missing = lacking(self.copy, paths, digests, self._check, tell)
        self._require_room(paths.filter(pa.array(missing)))
        self._bring(paths, digests, missing, small=True)
        self._bring_changed(paths, digests)

    def _bring_changed(self, paths: pa.Array, digests: pa.Array) -> None:
        """Where files came otherwise than listed, see whether the list has changed since."""
        name, damaged = self.wanted.checksums, strings(self.brought.damaged)
        if not len(damaged) or name is None or not digests.null_count < len(digests):
            return
        before = digests.take(pc.index_in(damaged, value_set=paths))
        self._bring_one(self.fetcher, self.copy, name)
        now = _digests(self._read_checksums(self.copy.root, name), damaged)
        changed = np.asarray(pc.fill_null(pc.not_equal(before, now), False))
        if changed.any():
            _logger.warning("%s has changed meanwhile", self.fetcher.shown(name))
            for path in damaged.filter(pa.array(changed)).to_pylist():
                self.brought.faults.pop(path)
            self._bring(damaged, now, changed, small=True)

    def _require_room(self, paths: pa.Array) -> None:
        """Require that there is room for all that is lacking.

        Raises:
            DownloadError: There is not.
        """
        need, free = int(len(paths) * self.mean_size(paths)), self.copy.free()
        if need > free:
            raise self.copy.no_room(
                f"{len(paths):,} images need about {size_told(need)}, {size_told(free)} are free."
            )

    def mean_size(self, paths: pa.Array) -> float:
        """The mean size of some images in bytes: that of a sample, or else of the whole release."""
        step = max(1, len(paths) // 8)
        sample = paths.take(pa.array(range(0, len(paths), step), pa.int64())).to_pylist()
        return self.fetcher.size_of(sample) or float(self.wanted.kind.MEAN_IMAGE_BYTES)

    # --- what all share ---------------------------------------------------------------------------

    def _count(self, files: int, size: int) -> None:
        self.present += files

    def _bring(
        self,
        paths: pa.Array,
        digests: pa.Array,
        missing: np.ndarray,
        small: bool,
        fetcher: Fetcher | None = None,
    ) -> None:
        """Bring those that are missing, with a bar."""
        mask = pa.array(missing)
        with self._bar(int(missing.sum()), small) as tell:
            bringer = Bringer(self.copy, fetcher or self.fetcher, tell)
            self.brought.add(bringer.bring(paths.filter(mask), digests.filter(mask), small))

    @contextmanager
    def _bar(self, files: int, small: bool) -> Iterator[Tell]:
        with bar_of("download", files, "files", self._progress and small) as bar:
            fetched = 0

            def tell(count: int, size: int) -> None:
                nonlocal fetched
                fetched += size
                bar.set_postfix_str(size_told(fetched), refresh=False)
                bar.update(count)

            yield tell

    def _note(self, paths: pa.Array) -> None:
        """Note which images were asked for, so that a part can be told from a broken copy."""
        whole = self.copy.note / WHOLE
        if self.wanted.images and self.wanted.selection.is_all:
            self.copy.write(whole, b"")
        if whole.exists():
            return
        before = asked_images(open_place(str(self.copy.root)))
        asked = pc.unique(paths if before is None else pa.concat_arrays([before, paths]))
        self.copy.write(
            self.copy.asked, "".join(f"{path}\n" for path in asked.to_pylist()).encode()
        )

    def _call(self, images: int) -> str:
        """The call that loads what is there."""
        name = self.wanted.dataset.replace("-", "_")
        if not self.wanted.images and not self.wanted.reports:
            return f"cxr stats {shlex.quote(str(self.copy.root))}"  # no rows without either
        words = [repr(name)]
        selection = self.wanted.selection
        if not self.wanted.images:
            words.append(repr("reports"))
        words.append(f"data_dir={str(self.copy.root)!r}")
        if self.wanted.images and not selection.is_all:
            words.append("missing='skip'")
        if selection.split and len(selection.split) < len(SPLITS) and self.wanted.images:
            words.append(f"split={'+'.join(selection.split)!r}")
        return f"load_dataset({', '.join(words)})"


def _digests(sums: Checksums | None, paths: pa.Array) -> pa.Array:
    return pa.nulls(len(paths), pa.string()) if sums is None else sums.of(paths)
