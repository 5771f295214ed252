"""A layer that is being read: its columns, and those of them that are the ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from cxr_datasets import wording
from cxr_datasets.errors import OptionError, TableError
from cxr_datasets.layers.files import LayerFile
from cxr_datasets.layers.layer import Layer
from cxr_datasets.tables.id_forms import (
    IdForm,
    form_named,
    form_of,
    id_column,
    normal_ids,
    odd_value,
)

BOX = "box"
"""Name of what becomes of the four columns of a box."""

STATE = f"{BOX}_state"
"""Name of the column beside a box that says what became of it."""


@dataclass(frozen=True)
class Reading:
    """A layer that is being read.

    Attributes:
        told: The option that names it, for the errors.
        layer: Its form.
        file: Its table.
        forms: The forms of the dataset's ids.
    """

    told: str
    layer: Layer
    file: LayerFile
    forms: tuple[IdForm, ...]

    def is_wanted(self, name: str) -> bool:
        """Whether a column of the table is read."""
        layer = self.layer
        if layer.columns is None:
            return True
        space = layer.space if isinstance(layer.space, tuple) else ()
        named = (*layer.columns, *(layer.boxes or ()), *space, *layer.keys)
        return name in named or (not layer.keys and self.is_key(name))

    def is_key(self, name: str) -> bool:
        """Whether a column of the table may be that of the ids."""
        if self.layer.keys:
            return name in self.layer.keys
        return form_named(name, self.forms) is not None

    def wrong(self, column: str, what: str) -> TableError:
        """Build the error for a column of the table."""
        return TableError(f"{self.file.address}: column {column!r} {what}")


def check_columns(reading: Reading, found: Sequence[str], all_names: Iterable[str]) -> None:
    """Require that the columns are there that the layer names.

    Args:
        reading: The layer.
        found: Those that are kept.
        all_names: Those that the table has.

    Raises:
        OptionError: One is not.
        TableError: One has the name that boxes get.
    """
    layer = reading.layer
    space = layer.space if isinstance(layer.space, tuple) else ()
    # Of several names one is enough.
    keys = [] if set(layer.keys) & set(found) else layer.keys
    for name in (*keys, *(layer.columns or ()), *(layer.boxes or ()), *space):
        if name not in found:
            raise OptionError(
                f"{reading.told} names a column {name!r}, which {reading.file.address} does not "
                f"have. It has: {_listed(all_names)}."
            )
    for name in (BOX, STATE):
        if layer.boxes and name in set(found) - set(layer.boxes):
            raise reading.wrong(name, "has the name that boxes get here. Leave it out by columns=.")


def _listed(names: Iterable[str]) -> str:
    """Names of columns as a message may hold them: of a lost header they may be cells."""
    return ", ".join(repr(name) if len(name) <= 40 else wording.cell(name) for name in names)


def key_of(
    reading: Reading, names: Sequence[str], column: Callable[[str], pa.ChunkedArray]
) -> tuple[str, IdForm]:
    """Find the column of ids, and whose they are."""
    layer, forms = reading.layer, reading.forms
    for name in layer.keys:
        if name in names:
            return name, _form_of(reading, name, column(name))
    wanted = [form for form in forms if layer.by in (None, form.column)]
    found = id_column(names, wanted)
    if found is None:
        usual = [name for form in wanted for name in (form.column, *form.names)]
        raise OptionError(
            f"{reading.told}: {reading.file.address} has no column that is called as ids are: "
            f"expected one of {', '.join(dict.fromkeys(usual))}, found {_listed(names)}. Name its "
            "column of ids by key=."
        )
    return found


def ids_of(reading: Reading, key: str, form: IdForm, values: pa.Array) -> pa.Array:
    """The ids of all rows, as our column has them; null where there is none."""
    _check_type(reading, key, values.type)
    ids = normal_ids(values, form)
    if ids.null_count == len(ids):
        odd = odd_value(values, ids, reading.forms)
        found_there = f"{odd[1]} in row {odd[0] + 1}" if odd else "blanks only"
        raise reading.wrong(
            key, f"holds no ids of {form.many}, such as {form.example}; found {found_there}. "
            "Name the right column by key=, or say by by= whose ids it has.",
        )  # fmt: skip
    return ids


def _form_of(reading: Reading, key: str, column: pa.ChunkedArray) -> IdForm:
    layer, forms = reading.layer, reading.forms
    if layer.by is not None:
        return next(form for form in forms if form.column == layer.by)
    named = form_named(key, forms)
    if named is not None:
        return named
    _check_type(reading, key, column.type)
    told = form_of(column, forms)
    if told is None:
        raise reading.wrong(
            key, "does not tell whose ids it has. Say it by by=: image_id, study_id "
            "or subject_id.",
        )  # fmt: skip
    return told[0]


def _check_type(reading: Reading, key: str, kind: pa.DataType) -> None:
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not (
        texts or pa.types.is_null(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)
    ):
        raise reading.wrong(key, f"is of type {kind}: expected ids, as texts or numbers.")
