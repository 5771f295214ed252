"""The columns of earlier studies: for each row the patient's studies before its own.

Which they are is told by all studies of the release, before any option leaves out a row. They stand
in a table of their own beside the index, a row per study in the order of time, and a row of the
index knows its study's place there. So the earlier ones of a block are the rows before, and their
texts and images are read with the block's own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import field
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder.features import Column
from cxr_datasets.builder.missing import are_present
from cxr_datasets.builder.places import ImagePlace
from cxr_datasets.builder.release import Release
from cxr_datasets.columns import PRIOR_IMAGES, VIEWS
from cxr_datasets.counts import is_whole
from cxr_datasets.digests import short_digest
from cxr_datasets.errors import OptionError
from cxr_datasets.images.column import XrayImage
from cxr_datasets.tables import history
from cxr_datasets.tables.keys import combined, null_where
from cxr_datasets.wording import get_logger

PRIORS = "priors"
"""Name of the option."""

PLACE = "history_at"
"""Column of the index: the place of the row's study in the table of all studies."""

PATHS, IDS, PRESENT = "prior_paths", "prior_image_ids", "prior_present"
"""Lists that rows have on their way to the images, and not in the end."""

PRIOR_TEXTS = {"prior_findings": "findings", "prior_impressions": "impression"}
_PATH, _ID, _VIEW, _THERE = "prior_path", "prior_image_id", "prior_view", "prior_there"
_LISTS = ("prior_study_ids", "prior_days", "prior_tied", *PRIOR_TEXTS, "prior_views")
_SOURCES = {
    "prior_study_ids": "study_id", "prior_tied": "tied", "prior_views": _VIEW,
    PATHS: _PATH, IDS: _ID, PRESENT: _THERE,
}  # fmt: skip
"""Column of earlier studies -> what it is in the table of all studies."""

_OF_THE_ORDER = ("time", "number", "tied", _PATH, _ID, _VIEW, _THERE)
"""Columns of the table of all studies; the others are what the release reads texts by."""

_logger = get_logger(__name__)


def priors_option() -> Any:
    """Declare the option `priors` of a dataset whose studies have times, as a dataclass field."""
    return field(
        default=0,
        metadata={
            "help": "Give each row so many of the patient's earlier studies, the newest first: "
            "their ids, days before this one, findings, impressions and best frontal images. "
            "Default: 0, no such columns."
        },
    )


def check_priors(value: object) -> None:
    """Check the value of the option.

    Raises:
        OptionError: It is no number of studies.
    """
    if not is_whole(value, least=0):
        raise OptionError(
            f"priors={value!r} is not a number of earlier studies. Give how many each row is to "
            "have at most, such as 1, or 0 for none."
        )


def prior_columns() -> tuple[Column, ...]:
    """Declare the columns of earlier studies among a dataset's own."""
    integer, number, text = (datasets.Value(name) for name in ("int64", "float64", "string"))
    truth = datasets.Value("bool")
    told = (
        ("study_number", integer, "which study of the patient it is, in the order of time: 1 for "
         "the first; null without a date or time"),
        ("studies_of_patient", integer, "how many studies the patient has in the release"),
        ("study_tied", truth, "whether another study of the patient has the same date and time, so "
         "that `study_id` alone gives their order"),
        ("days_to_next", number, "days to the patient's next study; null for the last"),
        ("prior_study_ids", [integer], "`study_id` of the patient's earlier studies, newest first"),
        ("prior_days", [number], "how many days before this study each was made"),
        ("prior_tied", [truth], "`study_tied` of each"),
        ("prior_findings", [text], "`findings` of each; null where it has none"),
        ("prior_impressions", [text], "`impression` of each; null where it has none"),
        (PRIOR_IMAGES, [XrayImage()], "the best frontal image of each; null where it has none"),
        ("prior_views", [text], "the release's own name of the view of that image"),
    )  # fmt: skip
    return tuple(
        Column(
            name, feature, "study", f"{about}; only with the option `{PRIORS}`", option=PRIORS,
            needs_images=name in (PRIOR_IMAGES, "prior_views"),
        )
        for name, feature, about in told
    )  # fmt: skip


def most_priors(config: Any) -> int:
    """How many earlier studies the rows of a config have at most."""
    return getattr(config, PRIORS, 0)


def with_history(
    index: pa.Table, release: Release, features: Collection[str], raw_view_column: str | None
) -> tuple[pa.Table, pa.Table]:
    """Find the order of all studies.

    Args:
        index: A row per image, before any is left out.
        release: Tells when the studies were made.
        features: Columns of config `images`; the index may have others, by which texts are read.
        raw_view_column: Column with the dataset's own names of views.

    Returns:
        The index, with the place of each row's study and the columns that have one value a study;
        and the table of all studies, in the order of `history.in_order`.

    One line says how many studies have no time.
    """
    study, first = history.studies_of(index)
    ids = {name: combined(index[name]).take(first) for name in ("study_id", "subject_id")}
    times = release.study_times(index).take(first)
    order = history.in_order(ids["study_id"], ids["subject_id"], times)
    _tell_unordered(times)
    wanted = combined(order["study"])
    best = history.best_of_study(study, combined(index["rank"]), _are_frontal(index), len(first))
    # The last study of a patient is earlier than none.
    is_earlier = combined(order["days_to_next"]).is_valid()
    image = null_where(pc.invert(is_earlier), best.take(wanted))
    carried = [name for name in index.column_names if _is_for_texts(name, features)]
    studies = {name: combined(index[name]).take(first.take(wanted)) for name in carried}
    studies |= {name: order[name] for name in ("time", "number", "tied")}
    studies |= {_PATH: _taken(index, "path", image), _ID: _taken(index, "image_id", image)}
    studies[_VIEW] = _taken(index, raw_view_column, image)
    place = np.empty(len(first), np.int64)
    place[wanted.to_numpy()] = np.arange(len(first))
    at = pa.array(place).take(study)
    index = index.append_column(PLACE, at)
    for name, found in (("study_number", "number"), ("studies_of_patient", "of_patient"),
                        ("study_tied", "tied"), ("days_to_next", "days_to_next")):  # fmt: skip
        index = index.append_column(name, combined(order[found]).take(at))
    return index, pa.table(studies)


def _tell_unordered(times: pa.Array) -> None:
    if times.null_count:
        _logger.warning(
            "priors: %d of %d studies have no date or no time. They have no earlier studies, and "
            "are none of others", times.null_count, len(times),
        )  # fmt: skip


def _are_frontal(index: pa.Table) -> pa.Array:
    return pc.equal(combined(index["view"]), VIEWS.index("frontal"))


def _is_for_texts(name: str, features: Collection[str]) -> bool:
    """Whether a column may be needed to read the texts of a study, or is one that is shown."""
    ids_and_texts = ("study_id", "subject_id", *PRIOR_TEXTS.values())
    return name in ids_and_texts or name not in (*features, "split", "rank")


def _taken(index: pa.Table, name: str | None, rows: pa.Array) -> pa.Array:
    if name is None:
        return pa.nulls(len(rows), pa.string())
    return combined(index[name]).take(rows)


def look_for_priors(
    studies: pa.Table, rows: pa.Table, found: pa.Table, place: ImagePlace, are_null: bool
) -> tuple[pa.Table, str]:
    """Mark which images of earlier studies are there, where all files are looked for ahead.

    Args:
        studies: The table of all studies.
        rows: The images that were looked for.
        found: Those of them that stay; if absent ones do, with a boolean column `present`.
        place: Where the files are.
        are_null: Whether absent images are null, and counted in one line. If not, one is an error
            where it is read.

    Returns:
        The table, with a mark for each image if absent ones are null; and a key of those that were
        looked for here.
    """
    paths = combined(studies[_PATH])
    if "present" in found.column_names:
        found = found.filter(found["present"])
    there = pc.is_in(paths, value_set=combined(found["path"]), skip_nulls=True)
    # Options may have left out rows of other studies, whose images were not looked for yet.
    looked_for = pc.is_in(paths, value_set=combined(rows["path"]), skip_nulls=True)
    others = pc.and_(pc.invert(looked_for), paths.is_valid())
    sizes = place.source.sizes(place.form.files(paths.filter(others)).to_pylist())
    marks = there.to_numpy(zero_copy_only=False).copy()
    marks[others.to_numpy(zero_copy_only=False)] = are_present(sizes)
    key = short_digest(sizes.tobytes())
    if not are_null:
        return studies, key
    absent = len(paths) - paths.null_count - int(marks.sum())
    if absent:
        _logger.warning(
            "priors: %d of %d images of earlier studies are null, as their file is not there",
            absent, len(paths) - paths.null_count,
        )  # fmt: skip
    return studies.append_column(_THERE, pa.array(marks)), key


def add_texts(
    rows: pa.Table,
    studies: pa.Table,
    config: Any,
    read: Callable[[pa.Table], pa.Table],
    columns: Collection[str] | None,
) -> pa.Table:
    """Add the texts of rows, and what is told of earlier studies, but not their images.

    Args:
        rows: Rows of the index.
        studies: The table of all studies.
        config: The options.
        read: Adds the texts of a release to rows.
        columns: Columns that are looked at; None: all. Others of earlier studies are null.

    Returns:
        The rows. Where images of earlier studies are looked at, they have lists of their paths and
        ids too, and of which are there if that is known.
    """
    names = {column.name for column in prior_columns()}
    wanted = names if columns is None else names & set(columns)
    before = history.earlier(combined(rows[PLACE]), studies, most_priors(config))
    read_for = before.places if wanted & set(PRIOR_TEXTS) else before.places[:0]
    rows, texts, which = _read_together(rows, studies, read_for.to_numpy(), read)
    of_each = {name: texts[text].take(which) for name, text in PRIOR_TEXTS.items()}
    for name in _LISTS:
        if name not in wanted:
            rows = rows.append_column(name, pa.nulls(rows.num_rows, _types()[name]))
            continue
        values = of_each[name] if name in of_each else _told(name, before, studies)
        rows = rows.append_column(name, before.lists(values))
    if PRIOR_IMAGES in wanted and config.name != "reports":
        for name in (PATHS, IDS, PRESENT):
            if _SOURCES[name] in studies.column_names:
                rows = rows.append_column(name, before.lists(_told(name, before, studies)))
    return rows


def _told(name: str, before: history.Earlier, studies: pa.Table) -> pa.Array:
    """A column of each earlier study that the table of all studies tells."""
    return before.days if name == "prior_days" else studies[_SOURCES[name]].take(before.places)


def _read_together(
    rows: pa.Table,
    studies: pa.Table,
    places: np.ndarray,
    read: Callable[[pa.Table], pa.Table],
) -> tuple[pa.Table, pa.Table, pa.Array]:
    """Read the texts of rows, and of earlier studies: of one study once, whoever needs it.

    Args:
        rows: Rows of the index.
        studies: The table of all studies.
        places: Places of the earlier studies in it; some are those of rows.
        read: Adds the texts of a release to rows.

    Returns:
        The rows with their texts; texts of all; and where among these those of each place are.
    """
    needed, which = np.unique(places, return_inverse=True)
    own, first = np.unique(combined(rows[PLACE]).to_numpy(), return_index=True)
    nearest = np.minimum(np.searchsorted(own, needed), len(own) - 1)
    is_own = own[nearest] == needed
    others = pa.array(needed[~is_own])
    at = np.where(is_own, first[nearest], rows.num_rows + np.cumsum(~is_own) - 1)
    by = [name for name in studies.column_names if name not in _OF_THE_ORDER]
    texts = read(pa.concat_tables([rows.select(by), studies.select(by).take(others)]))
    for name in texts.column_names:
        if name not in rows.column_names:
            rows = rows.append_column(name, texts[name].slice(0, rows.num_rows))
    return rows, texts, pa.array(at[which.reshape(-1)])


def _types() -> dict[str, pa.DataType]:
    schema = datasets.Features({one.name: one.feature for one in prior_columns()}).arrow_schema
    return {name: schema.field(name).type for name in schema.names}
