"""Reports as a tree of files."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.storage.source import Stamp
from mimic_cxr_jpg.reports.store import ReportStore, decoded, permitted, text_paths


class ReportTree(ReportStore):
    """Reports as files in the patients' folders."""

    def stamps(self) -> list[Stamp]:
        """One stamp of the patients' folders, which change when a text is added or removed."""
        changed = self.source.subfolder_stamp(within(self.path, "files"))
        return [Stamp(self.source.address(self.path), 0, changed)]

    def locate(self, subject_ids: pa.Array, study_ids: pa.Array) -> pa.Array:
        """See `ReportStore.locate`; only `read` finds out whether a file is there."""
        return pc.binary_join_element_wise(
            within(self.path, ""), text_paths(subject_ids, study_ids), ""
        )

    def read(self, places: pa.Array) -> pa.Array:
        """See `ReportStore.read`."""
        paths = places.to_pylist()
        files = zip(paths, self.source.each(paths), strict=True)
        return decoded([self._content(path, read) for path, read in files])

    def _content(self, path: str, read: Callable[[], bytes]) -> bytes | None:
        try:
            with permitted(self.source.shown(path)):
                return read()
        except FileNotFoundError:
            return None


def within(folder: str, name: str) -> str:
    """Join a folder, which may be `""` for the source itself, and a name in it."""
    return f"{folder}/{name}" if folder else name
