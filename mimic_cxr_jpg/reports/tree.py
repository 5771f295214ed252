"""Reports as a tree of files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets import limits
from cxr_datasets.limits import too_large
from cxr_datasets.storage.source import EMPTY, Stamp
from mimic_cxr_jpg.reports.decoding import decoded
from mimic_cxr_jpg.reports.store import (
    SAMPLE,
    ReportStore,
    Studies,
    permitted,
    spread,
    text_paths,
    too_large_reports,
)

_GROUP = re.compile(r"p1\d")
_PATIENT = re.compile(r"p(1\d{7})")
_TEXT = re.compile(r"s(5\d{7})\.txt")
_PATIENTS_OF_A_GROUP = 5


class ReportTree(ReportStore):
    """Reports as files in the patients' folders.

    Attributes:
        path: The folder that holds p10/ to p19/, called `files` in the release.
    """

    def stamps(self) -> list[Stamp]:
        """One stamp of the patients' folders, which change when a text is added or removed.

        A text that is changed in place changes none of them. To notice that, each of 227,835
        texts would have to be looked at whenever a dataset is loaded.
        """
        changed = self.source.subfolder_stamp(self.path)
        return [Stamp(self.source.address(self.path), 0, changed)]

    def locate(self, subject_ids: pa.Array, study_ids: pa.Array) -> pa.Array:
        """See `ReportStore.locate`; only `read` finds out whether a file is there."""
        paths = text_paths(subject_ids, study_ids)
        return pc.binary_join_element_wise(within(self.path, ""), paths, "")

    def lacks(self, places: pa.Array) -> pa.Array:
        """See `ReportStore.lacks`."""
        return pa.array(self.source.sizes(places.to_pylist()) <= EMPTY)

    @property
    def looks_quickly(self) -> bool:
        """See `ReportStore.looks_quickly`. In a remote store each look is a request."""
        return not self.source.is_remote

    def has(self, subject_ids: pa.Array, study_ids: pa.Array) -> pa.Array:
        """See `ReportStore.has`."""
        sizes = self.source.few_sizes(self.locate(subject_ids, study_ids).to_pylist())
        return pa.array([bool(size) for size in sizes], pa.bool_())

    def has_any(self, studies: Studies) -> bool:
        """Whether one of some studies has a text here."""
        return bool(pc.any(self.has(*studies)).as_py())

    def some_studies(self) -> list[tuple[int, int]]:
        """Find some studies that have a text here.

        The folders of a few patients of each group are listed, spread over the group.

        Returns:
            Ids of patient and study, at most `SAMPLE` of them.
        """
        return list(islice(self._studies(), SAMPLE))

    def _studies(self) -> Iterator[tuple[int, int]]:
        for group in self._names(_GROUP, self.path):
            folder = within(self.path, group[0])
            for patient in spread(self._names(_PATIENT, folder), _PATIENTS_OF_A_GROUP):
                for text in self._names(_TEXT, f"{folder}/{patient[0]}"):
                    yield int(patient[1]), int(text[1])

    def _names(self, pattern: re.Pattern[str], folder: str) -> Sequence[re.Match[str]]:
        found = map(pattern.fullmatch, self.source.names(folder))
        return [match for match in found if match]

    def read(self, places: pa.Array) -> pa.Array:
        """See `ReportStore.read`."""
        paths = places.to_pylist()
        files = zip(paths, self.source.each(paths, limits.LARGEST_REPORT), strict=True)
        contents, size = [], 0
        for path, read in files:
            contents.append(self._content(path, read))
            size += len(contents[-1] or b"")
            if size > limits.LARGEST_REPORTS:
                raise too_large_reports(self.address, too_large(limits.LARGEST_REPORTS))
        return decoded(contents)

    def _content(self, path: str, read: Callable[[], bytes]) -> bytes | None:
        try:
            with permitted(self.source.shown(path)):
                return read()
        except FileNotFoundError:
            return None


def within(folder: str, name: str) -> str:
    """Join a folder, which may be `""` for the source itself, and a name in it."""
    return f"{folder}/{name}" if folder else name
