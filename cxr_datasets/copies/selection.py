"""Which images of a release are wanted: the same options as the builder has, and lists of ids."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.cohorts.lists import read_any_ids
from cxr_datasets.columns import SPLITS
from cxr_datasets.errors import OptionError
from cxr_datasets.tables.id_forms import IdForm
from cxr_datasets.wording import get_logger

_IDS = ("image_id", "study_id", "subject_id")
_NUMBER = re.compile(r"[A-Za-z]?(\d{1,18})")
"""An id of a study or a patient, as it is or as folders are called by it (`s50414267`)."""

_SUFFIX = re.compile(r"\.(jpe?g|png|dcm|dcm\.png)$", re.IGNORECASE)

_logger = get_logger(__name__)


@dataclass(frozen=True)
class Selection:
    """What is wanted of a release.

    Attributes:
        split: Names of splits; None: all.
        views: Views as the builder's option has them; None: all.
        ids: Ids of images, studies or patients; None: all.
        limit: Most images, the first in the release's own order; None: all.
    """

    split: tuple[str, ...] | None = None
    views: tuple[str, ...] | None = None
    ids: tuple[str, ...] | None = None
    limit: int | None = None

    @property
    def is_all(self) -> bool:
        """Whether it is the whole release."""
        return self == Selection()

    def of(self, images: pa.Table) -> pa.Table:
        """Take the rows that are wanted.

        Args:
            images: Rows of the index, of the wanted views only.

        Raises:
            OptionError: None is left.
        """
        rows = images
        if self.split is not None:
            rows = rows.filter(pc.is_in(rows["split"], pa.array(self.split, pa.string())))
        if self.ids is not None:
            rows = rows.filter(_with_ids(rows, images, self.ids))
        rows = rows.slice(0, self.limit)
        if not rows.num_rows:
            raise OptionError(
                f"The options leave none of {images.num_rows} images. Choose other splits, views "
                "or ids."
            )
        return rows


def check_split(split: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """Check the value of the option `split`.

    Raises:
        OptionError: There is no such split.
    """
    if split is None:
        return None
    names = (split,) if isinstance(split, str) else tuple(split)
    for name in names:
        if name not in SPLITS:
            raise OptionError.unknown("split", name, SPLITS)
    return names or None


def _with_ids(rows: pa.Table, images: pa.Table, ids: Sequence[str]) -> pa.ChunkedArray:
    """Mark the rows that have one of some ids. One line says which ids no image has."""
    texts = pa.array(ids, pa.string())
    found = [_NUMBER.fullmatch(text) for text in ids]
    numbers = pa.array([int(number[1]) if number else None for number in found], pa.int64())
    kept = pc.is_in(rows["image_id"], texts)
    known = pc.is_in(texts, images["image_id"].combine_chunks())
    for column in _IDS[1:]:
        of_rows = pc.is_in(rows[column], numbers, skip_nulls=True)
        kept = pc.or_(kept, of_rows)
        known = pc.or_(known, pc.is_in(numbers, images[column].combine_chunks(), skip_nulls=True))
    unknown = texts.filter(pc.invert(known))
    if len(unknown) == len(texts):
        raise OptionError(
            f"None of the {len(texts)} ids is in the tables, first {unknown[0].as_py()!r}. Give "
            "ids of images, studies or patients of this release."
        )
    if len(unknown):
        _logger.warning(
            "%d of %d ids are in no table, or of no image of the wanted views, first %s",
            len(unknown), len(texts), unknown[0].as_py(),
        )  # fmt: skip
    return kept


def read_ids(file: str | os.PathLike[str], forms: tuple[IdForm, ...]) -> tuple[str, ...]:
    """Read ids of images, studies or patients from a file of a user's own, as option `ids` does.

    Args:
        file: A list with an id a line, a CSV or JSON.
        forms: The forms of the dataset's ids.

    Returns:
        The ids, in order, without repetition. They may be of several kinds.

    Raises:
        CxrError: It cannot be read, or holds none.
    """
    return tuple(dict.fromkeys(map(_plain, read_any_ids(os.fspath(file), forms))))


def _plain(word: str) -> str:
    """An id without folders and suffix: users have lists of files, too."""
    return _SUFFIX.sub("", word.strip().rpartition("/")[2])
