"""What a layer is: where its table lies, how it is joined, and where its boxes are."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from cxr_datasets.errors import OptionError
from cxr_datasets.images.square import SQUARES
from cxr_datasets.storage.addresses import check_open
from cxr_datasets.tables.id_forms import TOLD

ORIGINAL = "original"
FRACTION = "fraction"

CORNERS = "corners"
SIZES = "sizes"

ID_COLUMNS = tuple(TOLD)
"""Our columns by which a layer can be joined, the finest first."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_OF_A_SIDE = re.compile(rf"([1-9]\d{{0,4}}) ({'|'.join(SQUARES)})")
_OF_SIZES = re.compile(r"(?:.*[^a-z])?(w|width)", re.IGNORECASE)
_OF_CORNERS = re.compile(r"(?:.*[^a-z])?(x2|x_?max|right|xbr)", re.IGNORECASE)
_LIKE = "like"


@dataclass(frozen=True)
class Layer:
    """A table of other people that is joined to the rows.

    Attributes:
        address: The table: a CSV file, also with TABs or gzipped, Parquet, JSON lines, or JSON: a
            list of rows, lists of rows by split, rows by id, or COCO; a .zip or folder of JSON
            files, with `records`. A local path or an address.
        key: Its column of ids, or names of which the first that the table has is it. Default: the
            one that is called as ids are, such as `dicom_id`, `image_id`, `study_id` or
            `subject_id`; of several the finest.
        by: Whose ids these are: `image_id`, `study_id` or `subject_id`. Default: told by the name
            of the column, or else by the form of the ids.
        columns: Columns to keep. Default: all.
        several: Whether a key may have several rows: then the layer is one column of lists of
            structs; if not, it is a column for each of its own. Default: as the table has it.
        boxes: Four of its columns that hold a box: left, top, and then right and bottom or width
            and height.
        box_form: `corners` or `sizes`, which says what the last two of `boxes` are. Default: told
            by their names (`x2`, `xmax`, `right`; `w`, `width`).
        space: In which pixels boxes are: `original`, those of the release's own file; `fraction`,
            from 0 to 1 of it; two columns that hold width and height of the image they are in;
            or a square such as `224 pad`, `224 crop` or `224 stretch`, as
            `cxr_datasets.training.ImageTransform` makes it.
        records: Of JSON, the name of the list in each file that has the rows. The file's other
            plain values are columns of each.
    """

    address: str = ""
    key: str | tuple[str, ...] | None = None
    by: str | None = None
    columns: tuple[str, ...] | None = None
    several: bool | None = None
    boxes: tuple[str, ...] | None = None
    box_form: str | None = None
    space: Any = ORIGINAL
    records: str | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of which one is the column of ids; none if it is told by its name."""
        return (self.key,) if isinstance(self.key, str) else tuple(self.key or ())

    @property
    def form_of_boxes(self) -> str:
        """`corners` or `sizes`, once `check` found it to be one of them."""
        return self.box_form or _told_form(self.boxes or ()) or ""

    def decides(self) -> dict[str, Any]:
        """All that decides what the rows hold, but for the table itself."""
        return {
            option.name: getattr(self, option.name)
            for option in fields(self)
            if option.name != "address"
        }

    def given(self) -> dict[str, Any]:
        """What of `decides` is not the default."""
        default = Layer().decides()
        return {name: value for name, value in self.decides().items() if value != default[name]}

    def check(self, name: str) -> Layer:
        """Check its values.

        Args:
            name: Its name, for the errors.

        Returns:
            The layer, whose lists are tuples.

        Raises:
            OptionError: One is wrong.
        """
        told = f"layers[{name!r}]"
        if not self.address:
            raise OptionError(f"{told} has no address. Give the path or address of its table.")
        check_open(told, self.address)
        for option in ("by", "box_form", "records"):
            _check_text(f"{told}: {option}", getattr(self, option))
        several_keys = self.key is not None and not isinstance(self.key, str)
        if not several_keys:
            _check_text(f"{told}: key", self.key)
        if self.by is not None and self.by not in ID_COLUMNS:
            raise OptionError.unknown(f"{told}: by", self.by, ID_COLUMNS)
        if self.several not in (None, True, False):
            raise OptionError.unknown(f"{told}: several", self.several, (True, False, None))
        checked = replace(
            self,
            address=os.fspath(self.address),
            key=_names(f"{told}: key", self.key) if several_keys else self.key,
            columns=_names(f"{told}: columns", self.columns),
            boxes=_names(f"{told}: boxes", self.boxes),
            space=tuple(self.space) if isinstance(self.space, list) else self.space,
        )
        checked._check_boxes(told)
        return checked

    def _check_boxes(self, told: str) -> None:
        if self.box_form not in (None, CORNERS, SIZES):
            raise OptionError.unknown(f"{told}: box_form", self.box_form, (CORNERS, SIZES))
        check_space(told, self.space)
        if self.boxes is None:
            return
        if len(set(self.boxes)) != 4:
            raise OptionError(
                f"{told}: boxes={self.boxes!r} are not four columns. Give those of left, top, and "
                "then right and bottom, or width and height."
            )
        if not self.form_of_boxes:
            raise OptionError(
                f"{told}: boxes={self.boxes!r} do not tell whether the last two are right and "
                f"bottom, or width and height. Give box_form={CORNERS!r} or {SIZES!r}."
            )


@dataclass(frozen=True)
class ReadyLayer:
    """A layer whose form a dataset knows: what is missing is the address.

    Attributes:
        layer: The form; its address is empty.
        about: What it holds.
        files: Its usual file names, told to people.
        homepage: Where it can be had.
        citation: How it is cited.
    """

    layer: Layer
    about: str
    files: tuple[str, ...]
    homepage: str
    citation: str


@dataclass(frozen=True)
class NamedLayer:
    """A layer under its name.

    Attributes:
        name: The name that its columns begin with.
        layer: The layer, checked.
        ready: What the dataset knows of it; None if it is the user's own.
    """

    name: str
    layer: Layer
    ready: ReadyLayer | None = field(default=None)


def named_layers(given: Any, ready: Mapping[str, ReadyLayer]) -> tuple[NamedLayer, ...]:
    """Read the value of the option `layers`.

    Args:
        given: Name -> address, `Layer`, or a dictionary of its fields. The name of a layer that
            the dataset knows tells its form; under another name, `like` does.
        ready: The layers that the dataset knows.

    Raises:
        OptionError: A name or a value is wrong.
    """
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        raise OptionError(
            f"layers is of type {type(given).__name__}, and is no dictionary. Give name -> "
            'address, such as layers={"boxes": "/data/boxes.csv"}.'
        )
    return tuple(_named(name, value, ready) for name, value in given.items())


def addresses_of(given: Any) -> list[str]:
    """The addresses in a value of the option `layers`, as far as it has any."""
    if not isinstance(given, Mapping):
        return []
    found = (
        value.get("address") if isinstance(value, Mapping) else getattr(value, "address", value)
        for value in given.values()
    )
    return [os.fspath(place) for place in found if isinstance(place, (str, os.PathLike))]


def _named(name: Any, value: Any, ready: Mapping[str, ReadyLayer]) -> NamedLayer:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise OptionError(
            f"layers: {name!r} is no name of a layer. Columns are called by it: use letters, "
            "digits and _, and begin with a letter."
        )
    known = ready.get(name)
    if isinstance(value, Layer):
        return NamedLayer(name, value.check(name), known)
    if isinstance(value, (str, os.PathLike)):
        value = {"address": value}
    if not isinstance(value, Mapping):
        raise OptionError(
            f"layers[{name!r}] is of type {type(value).__name__}. Give the address of a table, a "
            "Layer, or a dictionary of its fields; write a table that is in memory to a file, such "
            "as by .to_parquet() of pandas."
        )
    options = dict(value)
    like = options.pop(_LIKE, None)
    if like is not None:
        if like not in ready:
            raise OptionError.unknown(f"layers[{name!r}]: {_LIKE}", like, ready)
        known = ready[like]
    allowed = [option.name for option in fields(Layer)]
    for option in options:
        if option not in allowed:
            raise OptionError.unknown(f"layers[{name!r}]: option", option, [*allowed, _LIKE])
    layer = replace(known.layer if known else Layer(), **options)
    return NamedLayer(name, layer.check(name), known)


def square_of(space: Any) -> tuple[int, str] | None:
    """Side and kind of the square in which boxes are; None if `space` names no square."""
    found = _OF_A_SIDE.fullmatch(space) if isinstance(space, str) else None
    return (int(found[1]), found[2]) if found else None


def check_space(told: str, space: Any) -> None:
    """Require that `space` is one that `Layer` names.

    Raises:
        OptionError: It is none.
    """
    if space in (ORIGINAL, FRACTION) or square_of(space):
        return
    if isinstance(space, (tuple, list)) and len(space) == 2:
        _names(f"{told}: space", space)
        return
    raise OptionError(
        f"{told}: space={space!r} is not known. Choose from: {ORIGINAL!r}, {FRACTION!r}, a square "
        'such as "224 pad", "224 crop" or "224 stretch", or the two columns that hold width and '
        "height of the image the boxes are in."
    )


def _told_form(boxes: Sequence[str]) -> str | None:
    """Tell by its name what the third column of a box is."""
    third = boxes[2] if len(boxes) == 4 else ""
    if _OF_SIZES.fullmatch(third):
        return SIZES
    return CORNERS if _OF_CORNERS.fullmatch(third) else None


def _names(told: str, value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Collection):
        raise OptionError(f"{told}={value!r} is no list of columns.")
    if not value or not all(isinstance(name, str) for name in value):
        raise OptionError(f"{told}={value!r} is no list of names of columns.")
    return tuple(value)


def _check_text(told: str, value: Any) -> None:
    if value is not None and (not isinstance(value, str) or not value):
        raise OptionError(f"{told}={value!r} is no text.")
