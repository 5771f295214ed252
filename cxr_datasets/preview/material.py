"""What figures are counted from: a table of images, one of studies, and the lengths of texts.

It holds no pixels and no texts, and comes alike from a release, from an export, and from rows that
`datasets` has loaded or streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.cohorts.rules import Step
from cxr_datasets.columns import plural
from cxr_datasets.errors import OptionError, TableError
from cxr_datasets.preview.kinds import DATE, TIME, Kinds
from cxr_datasets.preview.times import earliest, moments
from cxr_datasets.tables.keys import combined, numbered

WORDS, CHARACTERS = "words", "characters"
SPLIT = "split"
MOMENT = "moment"
"""Column of the studies: when each was made, a timestamp; null where that is not told."""

Sampled = tuple[int | None, Any]
"""View of an image, and the image as it is stored."""


@dataclass(frozen=True)
class Texts:
    """The lengths of reports and sections.

    Attributes:
        lengths: A row for each study that was looked at: `split`, and for each text two columns of
            integers, `<name>:words` and `<name>:characters`, null where the text is null.
        names: The columns of text.
        studies: How many studies there are in all.
    """

    lengths: pa.Table
    names: tuple[str, ...]
    studies: int

    @property
    def are_all(self) -> bool:
        """Whether every study was looked at."""
        return self.lengths.num_rows == self.studies


@dataclass(frozen=True)
class Match:
    """How many images of a split have something of a layer.

    Attributes:
        layer: Name of the layer.
        by: The column of ids by which it is joined.
        split: The split.
        images: Images of the split.
        matched: Those of them that have a row of the layer.
    """

    layer: str
    by: str
    split: str
    images: int
    matched: int


@dataclass(frozen=True)
class Material:
    """What the figures of a dataset are counted from.

    In each of its tables the rows of a split stand together, in the order of the splits.

    Attributes:
        config: The config whose rows it is made of.
        splits: Names of its splits, in order; also of those without a row.
        images: A row for each image: `split`, `study_id`, `subject_id` and the columns of an
            image. None if the rows have no images.
        studies: A row for each study: `split`, `moment`, and the columns of a study but its texts.
        texts: The lengths of its texts.
        sample: Takes a number of images and a seed, and gives their views and the stored images,
            in a fixed order; None where there are none.
        told: What the figures are of, in words.
        dataset: Name of the dataset, where that is known.
        notes: What a reader must know of the figures: what was left out.
        steps: Which rules left how many rows out.
        layers: How many images have something of each layer, by split.
    """

    config: str
    splits: tuple[str, ...]
    images: pa.Table | None
    studies: pa.Table
    texts: Texts
    sample: Callable[[int, int], Iterator[Sampled]] | None = None
    told: str = ""
    dataset: str | None = None
    notes: tuple[str, ...] = field(default=())
    steps: tuple[Step, ...] = ()
    layers: tuple[Match, ...] = ()


def tables_of(
    splits: Mapping[str, pa.Table], kinds: Kinds
) -> tuple[str, pa.Table | None, pa.Table]:
    """Make a table of images and one of studies from the rows of any config.

    Args:
        splits: Rows of each split, without images; of one schema. Texts may be there or not.
        kinds: What their columns are.

    Returns:
        The config they are of; a row for each image, or None; and a row for each study of each
        split, in the order in which they first appear, with `moment`.

    Raises:
        OptionError: They have no `study_id`.
        TableError: Dates are not as they must be, or a `study_id` is null.
    """
    names = next(iter(splits.values())).column_names
    if "study_id" not in names:
        raise OptionError(
            "Figures are counted by study, and the rows have no column study_id. Keep it when you "
            "select columns."
        )
    for name, rows in splits.items():
        _check_ids(name, rows)
    config = config_of(names)
    made = [_one_split(name, rows, config, kinds) for name, rows in splits.items()]
    images = None if config == "reports" else together([one for one, _ in made])
    return config, images, together([studies for _, studies in made])


def together(tables: Sequence[pa.Table]) -> pa.Table:
    """Put tables under each other; a column that one of them lacks is null there.

    Raises:
        TableError: A column is of types that do not go together.
    """
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise TableError(
            "A column has one type in some rows and another in others: "
            f"{', '.join(_types_that_differ(tables))}. Cast it to one."
        ) from error


def _types_that_differ(tables: Sequence[pa.Table]) -> list[str]:
    types: dict[str, set[str]] = {}
    for table in tables:
        for field_ in table.schema:
            types.setdefault(field_.name, set()).add(str(field_.type))
    return [
        f"{name} ({' and '.join(sorted(some))})" for name, some in types.items() if len(some) > 1
    ]


def _check_ids(name: str, rows: pa.Table) -> None:
    nulls = rows["study_id"].null_count
    if nulls:
        raise TableError(
            f"split {name!r}: study_id is null in {nulls} of {rows.num_rows} rows. Figures are "
            "counted by study: fill the column, or leave these rows out."
        )


def config_of(names: Sequence[str]) -> str:
    """Tell by its columns which config rows are of."""
    if plural("view") in names or plural("image_id") in names or plural("image") in names:
        return "studies"
    return "images" if {"image_id", "view", "path", "image"} & set(names) else "reports"


def _one_split(name: str, rows: pa.Table, config: str, kinds: Kinds) -> tuple[pa.Table, pa.Table]:
    lists = [one for one in rows.column_names if kinds.singular(one)] if config == "studies" else []
    if config == "studies":
        images = _flattened(rows, lists, kinds)
    else:
        images = rows.select([one for one in rows.column_names if one not in kinds.of_a_study])
        images = _with_ids(images, rows, None)
    study, first = numbered(combined(rows["study_id"]))
    own = [n for n in rows.column_names if n not in lists and n not in kinds.of_an_image]
    studies = rows.select(own).take(first)
    if DATE in rows.column_names:
        time = combined(rows[TIME]) if TIME in rows.column_names else None
        moment = earliest(moments(combined(rows[DATE]), time), study, len(first))
        studies = studies.append_column(MOMENT, moment)
    return _in_split(name, images), _in_split(name, studies)


def _flattened(rows: pa.Table, lists: Sequence[str], kinds: Kinds) -> pa.Table:
    """A row for each image, of the lists of studies."""
    if not lists:
        return _with_ids(pa.table({}), rows, np.zeros(0, np.int64))
    counts = pc.fill_null(pc.list_value_length(combined(rows[lists[0]])), 0).to_numpy()
    columns = {str(kinds.singular(one)): pc.list_flatten(rows[one]) for one in lists}
    return _with_ids(pa.table(columns), rows, np.repeat(np.arange(len(counts)), counts))


def _with_ids(images: pa.Table, rows: pa.Table, row: np.ndarray | None) -> pa.Table:
    for name in ("study_id", "subject_id"):
        if name in rows.column_names:
            column = rows[name] if row is None else rows[name].take(pa.array(row, pa.int64()))
            images = images.append_column(name, column)
    return images


def _in_split(name: str, rows: pa.Table) -> pa.Table:
    return rows.append_column(SPLIT, pa.repeat(pa.scalar(name, pa.string()), rows.num_rows))


def text_lengths(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    """Measure texts.

    Args:
        rows: Rows with columns of text.
        names: The columns to measure.

    Returns:
        For each of them the columns `<name>:words` and `<name>:characters`, int32.
    """
    columns = {}
    for name in names:
        text = combined(rows[name])
        if pa.types.is_null(text.type):
            text = text.cast(pa.string())
        columns[f"{name}:{WORDS}"] = words(text)
        columns[f"{name}:{CHARACTERS}"] = pc.utf8_length(text)
    return pa.table(columns)


def words(text: pa.Array) -> pa.Array:
    """Count words: what stands between white space, as `len(text.split())`; null of null."""
    trimmed = pc.utf8_trim_whitespace(text)
    counts = pc.list_value_length(pc.utf8_split_whitespace(trimmed))
    return pc.if_else(pc.equal(pc.binary_length(trimmed), 0), pa.scalar(0, pa.int32()), counts)


def texts_of(lengths: Mapping[str, pa.Table], names: Sequence[str], studies: int) -> Texts:
    """Put the lengths of several splits together.

    Args:
        lengths: Split -> what `text_lengths` gives of its studies.
        names: The columns of text.
        studies: How many studies there are in all.
    """
    parts = [_in_split(name, part) for name, part in lengths.items()]
    return Texts(together(parts), tuple(names), studies)
