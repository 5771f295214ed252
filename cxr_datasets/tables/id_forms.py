"""The forms in which files name an image, a study or a patient, made into the ids of our columns.

Lists of other people write one id in many ways: `s50000000` or `50000000`, as text or as number,
`<dicom_id>.dcm` or the whole path of a file. A dataset declares which forms its ids have, and what
they are called; here whole columns of them become what `image_id`, `study_id`, `subject_id` hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets import wording
from cxr_datasets.tables.keys import combined, null_where

TOLD = {"image_id": "image", "study_id": "study", "subject_id": "patient"}
"""Column of ids -> what one of them names; the finest first."""

MANY = {"image_id": "images", "study_id": "studies", "subject_id": "patients"}
"""Column of ids -> what several of them name."""

_BEFORE, _AFTER = r"(?:.*[/\\])?", r"(?:\.[A-Za-z]+|\.0+)*[/\\]?"
"""What may stand before an id, a path, and behind it: suffixes, `.0` of a number, a slash."""


@dataclass(frozen=True)
class IdForm:
    """How the ids of one kind are written.

    Attributes:
        column: Our column of these ids: `image_id`, `study_id` or `subject_id`.
        patterns: RE2 patterns of an id in a file, without the path before it and the suffix behind
            it. Each has a group `(?P<id>...)`, which is the id as our column has it.
        example: An invented id, for messages.
        names: Names of columns that hold such ids in files, beside `column`; in any case, `_` or
            not.
        by_pattern: Whether an id without the name of a column is told by the patterns. False where
            they fit the ids of another kind as well.
        in_path: Whether an id may be the end of a path and have a suffix; if not, all of the text
            is the id.
    """

    column: str
    patterns: tuple[str, ...]
    example: str
    names: tuple[str, ...] = ()
    by_pattern: bool = True
    in_path: bool = True

    @property
    def told(self) -> str:
        """What an id of this kind names: `image`, `study` or `patient`."""
        return TOLD[self.column]

    @property
    def many(self) -> str:
        """What several of them name: `images`, `studies` or `patients`."""
        return MANY[self.column]

    @property
    def one(self) -> str:
        """`told` with its article."""
        return f"a{'n' if self.told[0] in 'aeiou' else ''} {self.told}"

    @property
    def type(self) -> pa.DataType:
        """Type of our column."""
        return pa.string() if self.column == "image_id" else pa.int64()


ANY_FORMS = (
    IdForm("image_id", (r"(?s)(?P<id>.+)",), "patient00001_view1", in_path=False),
    IdForm("study_id", (r"s?0*(?P<id>\d{1,18})",), "s50000000", by_pattern=False),
    IdForm("subject_id", (r"p?0*(?P<id>\d{1,18})",), "p10000000", by_pattern=False),
)
"""Forms of a dataset that declares none."""


def normal_ids(values: pa.Array | pa.ChunkedArray, form: IdForm) -> pa.Array:
    """Make ids of one kind out of a column of a file.

    Args:
        values: n texts, integers, or floats that are whole numbers; repeated or not.
        form: The kind.

    Returns:
        n ids, of the type of our column; null where a value is null, blank, or no id of this kind.
    """
    text = _texts(combined(values))
    found = None
    for pattern in form.patterns:
        ids = _ids_in(text, pattern, form.in_path)
        found = ids if found is None else pc.coalesce(found, ids)
        if not found.null_count:
            break
    assert found is not None
    return found.cast(form.type)


def _ids_in(text: pa.Array, pattern: str, in_path: bool) -> pa.Array:
    """The ids of texts by one pattern; null where a text has another form."""
    ids = _extracted(text, f"(?:{pattern})")
    if not in_path:
        return ids
    # Paths take six times as long, and most tables have none.
    is_longer = pc.fill_null(pc.match_substring_regex(text, r"[/\\.]"), False)
    longer = text.filter(is_longer)
    if not len(longer):
        return ids
    found = _extracted(longer, f"{_BEFORE}(?:{pattern}){_AFTER}")
    places = np.arange(len(ids))
    places[is_longer.to_numpy(zero_copy_only=False)] = len(ids) + np.arange(len(longer))
    return pa.concat_arrays([ids, found]).take(pa.array(places))


def _extracted(text: pa.Array, pattern: str) -> pa.Array:
    return pc.struct_field(pc.extract_regex(text, rf"\A{pattern}\z"), "id")


def form_named(column: str, forms: Iterable[IdForm]) -> IdForm | None:
    """Tell by the name of a column which ids it holds; None if by the name it holds none."""
    name = _plain(column)
    return next((form for form in forms if name in map(_plain, (form.column, *form.names))), None)


def id_column(columns: Sequence[str], forms: Iterable[IdForm]) -> tuple[str, IdForm] | None:
    """Find the column of a table by which its rows are joined.

    Args:
        columns: Names of its columns.
        forms: The forms of the dataset, the finest first.

    Returns:
        The column and its form; of several the finest: an image's before a study's before a
        patient's. None if no column has such a name.
    """
    for form in forms:
        for column in columns:
            if form_named(column, (form,)):
                return column, form
    return None


def form_of(
    values: pa.Array | pa.ChunkedArray, forms: Iterable[IdForm]
) -> tuple[IdForm, pa.Array] | None:
    """Tell by their pattern which ids some values are.

    Args:
        values: n values as for `normal_ids`.
        forms: The forms of the dataset, the finest first.

    Returns:
        The first form that all values have, or else that the first value has; and what
        `normal_ids` makes of them. None if the first value is of no form.
    """
    values = combined(values)
    first = values.drop_null().slice(0, 1)
    some: tuple[IdForm, pa.Array] | None = None
    for form in forms:
        if not form.by_pattern or normal_ids(first, form).drop_null().to_pylist() == []:
            continue
        ids = normal_ids(values, form)
        if ids.null_count == values.null_count:
            return form, ids
        some = some or (form, ids)
    return some


def odd_value(
    values: pa.Array | pa.ChunkedArray, ids: pa.Array, forms: Iterable[IdForm]
) -> tuple[int, str] | None:
    """Find the first value that is no id of its kind.

    Args:
        values: What `normal_ids` was given.
        ids: What it gave.
        forms: The forms of the dataset; ids of another kind are shown, all else is not.

    Returns:
        Its row, from 0 on, and the value as a message may hold it. None if each value is one.
    """
    values = combined(values)
    odd = pc.indices_nonzero(pc.and_(values.is_valid(), ids.is_null()))
    if not len(odd):
        return None
    row = odd[0].as_py()
    value = values.slice(row, 1)
    for form in forms:
        if form not in ANY_FORMS and normal_ids(value, form).null_count == 0:
            return row, f"{value[0].as_py()}, an id of {form.one}"
    return row, wording.cell(value[0].as_py())


def _texts(values: pa.Array) -> pa.Array:
    if pa.types.is_floating(values.type):
        whole = pc.and_(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), 1e18))
        values = null_where(pc.invert(whole), values).cast(pa.int64())
    if pa.types.is_null(values.type):
        return pa.nulls(len(values), pa.string())
    if pa.types.is_nested(values.type) or pa.types.is_boolean(values.type):
        return pa.nulls(len(values), pa.string())
    text = values.cast(pa.string())
    text = pc.utf8_trim_whitespace(text)
    return null_where(pc.equal(text, ""), text)


def _plain(name: str) -> str:
    """A name of a column without what is often written in another way."""
    return re.sub(r"[\W_]", "", name).lower()
