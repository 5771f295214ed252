"""What every reader of reports does, and what all of them need."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets import wording
from cxr_datasets.digests import short_digest
from cxr_datasets.errors import ReportsError
from cxr_datasets.limits import TooLargeError
from cxr_datasets.storage.source import Source, Stamp
from cxr_datasets.tables.characters import written
from cxr_datasets.tables.index import spread_places
from cxr_datasets.wording import get_logger
from mimic_cxr_jpg.reports.parsing import parse_sections

_logger = get_logger(__name__)

TEXT_PATH = "files/p1x/p1xxxxxxx/s5xxxxxxx.txt"
"""Form of a report's path. It lies beside the folder of its study's images, not in it."""


SAMPLE = 32
"""Studies, spread over all of a release, by which places of reports are compared."""

_T = TypeVar("_T")


class Studies(NamedTuple):
    """Some studies.

    Attributes:
        subject_ids: The patient of each, int64.
        study_ids: The studies, each of them once, int64.
    """

    subject_ids: pa.Array
    study_ids: pa.Array

    @classmethod
    def of(cls, ids: Iterable[tuple[int, int]]) -> Studies:
        """Make it of pairs of ids, of which some may repeat."""
        patient_of = {study: patient for patient, study in ids}
        patients, studies = list(patient_of.values()), list(patient_of)
        return cls(pa.array(patients, pa.int64()), pa.array(studies, pa.int64()))

    def some(self, count: int) -> Studies:
        """Take a few of them, spread over all."""
        rows = pa.array(spread(range(len(self.study_ids)), count), pa.int64())
        return Studies(self.subject_ids.take(rows), self.study_ids.take(rows))


def spread(items: Sequence[_T], count: int) -> list[_T]:
    """Take some items at even distances, the first and the last among them; all if there are few.

    Args:
        items: The items.
        count: How many to take.
    """
    return [items[place] for place in spread_places(len(items), count)]


class ReportStore(ABC):
    """Reports in one of their forms. It is pickled to every worker, so it holds no texts.

    Attributes:
        source: The folder they are in.
        path: Their file or folder within it.
        of_every_study: Whether the release's own have a text of each study.
    """

    of_every_study = True

    def __init__(self, source: Source, path: str):
        self.source = source
        self.path = path

    @property
    def address(self) -> str:
        """Where the reports are."""
        return self.source.shown(self.path)

    def stamps(self) -> list[Stamp]:
        """Stamps that change when the reports change."""
        return [self.source.stamp(self.path)._replace(path=self.source.address(self.path))]

    def prepare(self, cache: str) -> None:  # noqa: B027  (a tree needs nothing)
        """Write to the cache what `locate` and `read` need there."""

    def prepare_to_locate(self, cache: str) -> None:
        """`prepare`, and read ahead what `locate` alone needs."""
        self.prepare(cache)

    @abstractmethod
    def locate(self, subject_ids: pa.Array, study_ids: pa.Array) -> pa.Array:
        """Find the text of each study.

        Args:
            subject_ids: The patient of each study, int64.
            study_ids: The studies, int64.

        Returns:
            A place for each study, to be given to `read`; null where a study has no text.

        Raises:
            ReportsError: The archive is damaged.
        """

    @abstractmethod
    def lacks(self, places: pa.Array) -> pa.Array:
        """Mark the places at which there is no text. In a tree each is looked at.

        Args:
            places: n of the places that `locate` gave.

        Returns:
            n booleans: whether nothing is there, or a file without a byte.
        """

    @property
    def looks_quickly(self) -> bool:
        """Whether `lacks` takes little time for all studies of a release."""
        return True

    def say_lacking(self, places: pa.Array) -> None:
        """Say in one line how many studies have no text, if it is not none of them.

        Args:
            places: What `locate` gave for all studies.
        """
        looked_for = "studies"
        if not self.looks_quickly:
            rows = spread(range(len(places)), SAMPLE)
            places, looked_for = places.take(pa.array(rows)), "studies that were looked for"
        lacking = pc.sum(self.lacks(places)).as_py()
        if lacking:
            _logger.warning(
                "%d of %d %s have no report in %s: their columns of text are null",
                lacking, len(places), looked_for, self.address,
            )  # fmt: skip

    def file_in(self, cache: str, what: str, names: Sequence[str]) -> str:
        """Address of the Arrow file in a cache that is made of these reports as they are now.

        Args:
            cache: Folder of the cache.
            what: What the file holds, for its name.
            names: Names of its columns.
        """
        key = short_digest(repr([list(names), *map(tuple, self.stamps())]).encode())
        return f"{cache}/mimic-cxr-{what}-{key}.arrow"

    def columns(self, places: pa.Array, rows: pa.Array, rules: str) -> dict[str, pa.Array]:
        """Read texts, and parse their sections.

        Args:
            places: n of the places that `locate` gave.
            rows: For each row of the result the number of its place, int32 without nulls.
            rules: Name of the rules by which sections are parsed.

        Returns:
            `report` and each of `REPORT_SECTIONS`, as long as `rows`.

        Raises:
            ReportsError: A text is damaged.
        """
        reports = self.read(places)
        return {"report": reports.take(rows), **parse_sections(reports, rows, rules)}

    @abstractmethod
    def has(self, subject_ids: pa.Array, study_ids: pa.Array) -> pa.Array:
        """Say which of a few studies have a text; arguments and errors as for `locate`.

        Returns:
            A boolean for each study.
        """

    @abstractmethod
    def read(self, places: pa.Array) -> pa.Array:
        """Read texts.

        Args:
            places: n of the places that `locate` gave.

        Returns:
            n strings; null where the place is null or the file is not there.

        Raises:
            ReportsError: A text is damaged.
        """


def text_paths(subject_ids: pa.Array, study_ids: pa.Array) -> pa.Array:
    """Give the path of each study's report, of the form `TEXT_PATH`, from `files/` on."""
    return written("p{0:.2}/p{0}/s{1}.txt", subject_ids, study_ids)


@contextmanager
def permitted(address: str) -> Iterator[None]:
    """Turn a file that may not or cannot be read into a `ReportsError` that names it."""
    try:
        yield
    except PermissionError:
        raise not_permitted(address) from None
    except FileNotFoundError:
        raise
    except TooLargeError as error:
        raise too_large_reports(address, error) from error
    except OSError as error:  # such as a damaged member of an archive that holds the release
        raise ReportsError(
            f"{address} cannot be read: {wording.said(error)}. Fetch it again and compare it with "
            "the release's checksums."
        ) from error


@contextmanager
def still_there(address: str) -> Iterator[None]:
    """As `permitted`, for a file that was found before: it may have been removed since."""
    try:
        with permitted(address):
            yield
    except FileNotFoundError:
        raise ReportsError(
            f"{address} is not there any more: it was removed or renamed while it was used. Put it "
            "back, or pass another copy as reports=."
        ) from None


def too_large_reports(address: str, error: TooLargeError) -> ReportsError:
    """Build the error for reports that are beyond a limit."""
    return ReportsError(
        f"{address} {wording.said(error)}. It is not the release's own file: fetch the "
        "reports again and compare them with the release's checksums."
    )


def not_permitted(address: str) -> ReportsError:
    """Build the error for reports that this user may not read."""
    return ReportsError(
        f"{address} may not be read: permission denied. Check its permissions and those of the "
        "folders above it, or pass another copy as reports=."
    )
