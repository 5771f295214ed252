"""The figures of a dataset, each as a table of pandas.

Everything is counted over whole columns. Splits stand in their order; the rows named `all` are of
all splits together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import combinations, product

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.cohorts.rules import Step
from cxr_datasets.columns import LABELS, VIEWS
from cxr_datasets.errors import TableError
from cxr_datasets.labels.compare import kappa
from cxr_datasets.preview.kinds import AGE, IDS, SEX, label_sources
from cxr_datasets.preview.material import CHARACTERS, MOMENT, SPLIT, WORDS, Material
from cxr_datasets.preview.states import STATES
from cxr_datasets.preview.times import days_between
from cxr_datasets.tables.keys import combined, numbered

ALL = "all"
QUANTILES = {"p5": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
"""Name of a column -> the quantile in it, interpolated linearly."""

_BLANK = 2
"""Stands for null in the arrays below, beside 1, 0 and -1."""


def _parts(rows: pa.Table, splits: Sequence[str]) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each split, and of all; those of a split stand together."""
    counts, start = _counts(rows), 0
    for split in splits:
        count = counts.get(split, 0)
        yield split, rows.slice(start, count)
        start += count
    yield ALL, rows


def _counts(rows: pa.Table) -> dict[str, int]:
    """Split -> its number of rows, for those that have any."""
    found = pc.value_counts(combined(rows[SPLIT]))
    return {one["values"]: one["counts"] for one in found.to_pylist()}


def count_splits(material: Material) -> pd.DataFrame:
    """Count images, studies and patients.

    Returns:
        Columns `split`, `images` (null in config `reports`), `studies`, and `patients` (null if the
        rows do not tell them). A patient of two splits counts in each, and once in `all`.
    """
    studies, images = material.studies, material.images
    counts = {} if images is None else {**_counts(images), ALL: images.num_rows}
    has_patients = "subject_id" in studies.column_names
    rows = []
    for split, part in _parts(studies, material.splits):
        count = None if images is None else counts.get(split, 0)
        # In a split a study has one row.
        own = part.num_rows if split != ALL else _distinct(part, "study_id")
        rows.append((split, count, own, _distinct(part, "subject_id") if has_patients else None))
    frame = pd.DataFrame(rows, columns=["split", "images", "studies", "patients"])
    return frame.astype({"images": "Int64", "studies": "int64", "patients": "Int64"})


def count_left_out(material: Material) -> pd.DataFrame:
    """Count what each rule left out of the release, in the order of the rules.

    Returns:
        Columns `rule`, the images that it left out as `left_out`, and the `images`, `studies` and
        `patients` that are left, of all splits together. No row where all of the release is there,
        or the rows do not tell it.
    """
    names = [field.name for field in fields(Step)]
    return pd.DataFrame([step.as_dict() for step in material.steps], columns=names)


def _distinct(rows: pa.Table, name: str) -> int:
    return pc.count_distinct(rows[name]).as_py()


def count_views(material: Material) -> pd.DataFrame:
    """Count the images of each view.

    Returns:
        Columns `split` and one for each of `VIEWS`. No row if the rows have no views.
    """
    columns = ["split", *VIEWS]
    images = material.images
    if images is None or "view" not in images.column_names:
        return pd.DataFrame(columns=columns)
    rows = []
    for split, part in _parts(images, material.splits):
        view = part["view"].drop_null().to_numpy()
        rows.append((split, *(int(np.count_nonzero(view == n)) for n in range(len(VIEWS)))))
    return pd.DataFrame(rows, columns=columns)


def count_labels(material: Material) -> pd.DataFrame:
    """Count the studies in which each label has each of its states.

    Returns:
        Columns `split`, `source` (the column of labels), `label`, `studies` (those that the source
        has labels of), `positive`, `negative`, `uncertain`, `not_mentioned`, which add up to them,
        `unlabelled` (those that it has none of), and `prevalence`: positive over studies, 0 to 1.

    Raises:
        TableError: A label has another value than 1, 0, -1 and null.
    """
    columns = ["split", "source", "label", "studies", *(state.key for state in STATES),
               "unlabelled", "prevalence"]  # fmt: skip
    rows = []
    for source in label_sources(material.studies.schema):
        parts = list(_parts(material.studies.select([SPLIT, source]), material.splits))[:-1]
        counted = [_states(combined(part[source]), source) for _, part in parts]
        for split, counts in [*zip([name for name, _ in parts], counted, strict=True),
                              (ALL, np.sum(counted, axis=0))]:  # fmt: skip
            for name, (*states, unlabelled) in zip(LABELS, counts.tolist(), strict=True):
                labelled = sum(states)
                share = states[0] / labelled if labelled else np.nan
                rows.append((split, source, name, labelled, *states, unlabelled, share))
    return pd.DataFrame(rows, columns=columns)


def _states(labels: pa.Array, source: str) -> np.ndarray:
    """Count the states of each of the 14 labels, (14, 5): `STATES`, and those without labels."""
    labelled = len(labels) - labels.null_count
    counts = []
    for name, column in _columns(labels, source).items():
        told = [_equal(column, state.value) for state in STATES if state.value is not None]
        if sum(told) != len(column) - column.null_count:
            raise _foreign_value(source, name)
        counts.append([*told, labelled - sum(told), labels.null_count])
    return np.array(counts)


def _equal(column: pa.Array, value: int) -> int:
    return pc.sum(pc.equal(column, pa.scalar(value, column.type))).as_py() or 0


def count_blank(material: Material, source: str) -> int:
    """Count the studies that a source has labels of, all of them null."""
    labels = combined(material.studies[source])
    blank = labels.is_valid()
    for column in _columns(labels, source).values():
        blank = pc.and_(blank, column.is_null())
    return pc.sum(blank).as_py() or 0


def _columns(labels: pa.Array, source: str) -> dict[str, pa.Array]:
    """Each of the 14 labels as a column of int8, null also where there are no labels.

    Raises:
        TableError: One holds what is no small integer.
    """
    names = [labels.type.field(place).name for place in range(labels.type.num_fields)]
    columns = dict(zip(names, labels.flatten(), strict=True))
    for name in LABELS:
        try:
            columns[name] = columns[name].cast(pa.int8())
        except pa.ArrowInvalid:
            raise _foreign_value(source, name) from None
    return {name: columns[name] for name in LABELS}


def _foreign_value(source: str, name: str) -> TableError:
    return TableError(
        f"{source}: label {name} has values that are none of 1, 0, -1 and null, so its states "
        "cannot be counted. Count before the labels are turned into targets."
    )


def compare_sources(material: Material) -> pd.DataFrame:
    """Compare each two sources of labels, over the studies for which both tell a label.

    Returns:
        Columns `first`, `second` (the sources), `label`, `studies` (for which both have 1, 0 or
        -1), `agreement` (the share of these with the same value), `kappa` (Cohen's, Educ Psychol
        Meas 1960;20:37-46, unweighted, of three states; null where it is 0/0), `only_first`,
        `only_second` (studies for which one of them alone tells it), and the nine counts
        `positive_negative` and so on, first source first. No row if there is one source.
    """
    told = [state for state in STATES if state.value is not None]
    columns = ["first", "second", "label", "studies", "agreement", "kappa", "only_first",
               "only_second", *(f"{a.key}_{b.key}" for a, b in product(told, told))]  # fmt: skip
    studies = material.studies
    sources = {name: combined(studies[name]) for name in label_sources(studies.schema)}
    rows = []
    for first, second in combinations(sources, 2):
        ones, others = _columns(sources[first], first), _columns(sources[second], second)
        both = pc.and_(sources[first].is_valid(), sources[second].is_valid())
        for name in LABELS:
            confusion = _confusion(ones[name].filter(both), others[name].filter(both))
            count = int(confusion.sum())
            alone = (len(one) - one.null_count - count for one in (ones[name], others[name]))
            cells = confusion.flatten().tolist()
            rows.append((first, second, name, *_agreement(confusion), *alone, *cells))
    return pd.DataFrame(rows, columns=columns)


def _confusion(one: pa.Array, other: pa.Array) -> np.ndarray:
    """Count the pairs of values of two columns, (3, 3): positive, negative, uncertain."""
    a, b = (pc.fill_null(column, _BLANK).to_numpy() for column in (one, other))
    told = [state.value for state in STATES if state.value is not None]
    pairs = [np.count_nonzero((a == x) & (b == y)) for x, y in product(told, told)]
    return np.array(pairs).reshape(len(told), len(told))


def _agreement(confusion: np.ndarray) -> tuple[int, float, float]:
    """Number of studies, share of agreement, Cohen's kappa."""
    count = int(confusion.sum())
    if not count:
        return 0, np.nan, np.nan
    observed = float(np.trace(confusion)) / count
    return count, observed, kappa(confusion)


def measure_texts(material: Material) -> pd.DataFrame:
    """Describe the lengths of the report and of each section, of all splits.

    Returns:
        Columns `column`, `unit` (`words` or `characters`), `studies` (those looked at), `texts`
        (those of them that have such a text), `mean`, `min`, `QUANTILES` and `max`.
    """
    columns = ["column", "unit", "studies", "texts", "mean", "min", *QUANTILES, "max"]
    lengths = material.texts.lengths
    rows = []
    for name in material.texts.names:
        for unit in (WORDS, CHARACTERS):
            values = lengths[f"{name}:{unit}"].drop_null().to_numpy()
            rows.append((name, unit, lengths.num_rows, len(values), *_spread(values)))
    return pd.DataFrame(rows, columns=columns)


def _spread(values: np.ndarray) -> list[float]:
    """Mean, least, `QUANTILES` and most; NaN of nothing."""
    if not len(values):
        return [np.nan] * (3 + len(QUANTILES))
    quantiles = np.quantile(values, list(QUANTILES.values())).tolist()
    return [float(values.mean()), float(values.min()), *quantiles, float(values.max())]


def count_missing(material: Material) -> pd.DataFrame:
    """Count the nulls of each column.

    Returns:
        Columns `column`, `split`, `of` (`images` or `studies`: what has a value), `looked_at`,
        `missing`, and `share`: missing over looked at, 0 to 1. Columns of images are left out:
        nothing is read of them.
    """
    rows: list[tuple[str, str, str, int, int]] = []
    if material.images is not None:
        own = [n for n in material.images.column_names if n not in (SPLIT, *IDS)]
        rows += _nulls(material.images, {name: name for name in own}, "images", material.splits)
    own = [n for n in material.studies.column_names if n not in (SPLIT, MOMENT)]
    rows += _nulls(material.studies, {name: name for name in own}, "studies", material.splits)
    texts = {f"{name}:{CHARACTERS}": name for name in material.texts.names}
    rows += _nulls(material.texts.lengths, texts, "studies", material.splits)
    frame = pd.DataFrame(rows, columns=["column", "split", "of", "looked_at", "missing"])
    return frame.assign(share=frame["missing"] / frame["looked_at"].where(frame["looked_at"] > 0))


def _nulls(
    rows: pa.Table, names: dict[str, str], of: str, splits: Sequence[str]
) -> Iterator[tuple[str, str, str, int, int]]:
    parts = [
        (split, {name: part[name].null_count for name in names}, part.num_rows)
        for split, part in _parts(rows.select([SPLIT, *names]), splits)
    ]
    for column, name in names.items():
        for split, nulls, count in parts:
            yield name, split, of, count, nulls[column]


def measure_patients(material: Material) -> pd.DataFrame:
    """Describe who the patients are, where the rows tell `sex` or `age`.

    Returns:
        Columns `split`; of ages in years `studies` (those that have one), `mean`, `min`,
        `QUANTILES` and `max`; of sexes `patients` (those that have one), `female`, `male`, and
        `female_share`: female over both, 0 to 1. Ages are those at each study, so a patient of
        several studies counts several times; sexes are of patients. No row if they tell neither.
    """
    columns = ["split", "studies", "mean", "min", *QUANTILES, "max", "patients", "female", "male",
               "female_share"]  # fmt: skip
    names = material.studies.column_names
    told = [name for name in (AGE, SEX) if name in names]
    if not told:
        return pd.DataFrame(columns=columns)
    own = [name for name in (SPLIT, "study_id", "subject_id", *told) if name in names]
    rows = []
    for split, part in _parts(material.studies.select(own), material.splits):
        ages = _once(part, "study_id", AGE).to_numpy()
        sexes = _once(part, "subject_id", SEX)
        female, male = (pc.sum(pc.equal(sexes, sex)).as_py() or 0 for sex in ("F", "M"))
        share = female / (female + male) if female + male else np.nan
        rows.append((split, len(ages), *_spread(ages), len(sexes), female, male, share))
    return pd.DataFrame(rows, columns=columns)


def _once(rows: pa.Table, key: str, name: str) -> pa.Array:
    """The values of a column, one for each different key, without null."""
    if name not in rows.column_names or key not in rows.column_names:
        return pa.array([], pa.float64() if name == AGE else pa.string())
    _, first = numbered(combined(rows[key]))
    return combined(rows[name]).take(first).drop_null()


def count_layers(material: Material) -> pd.DataFrame:
    """Count the images that have something of each layer.

    Returns:
        Columns `layer`, `by` (the column of ids that joins it), `split`, `images`, `matched`, and
        `share`: matched over images, 0 to 1. No row without layers.
    """
    rows = [(one.layer, one.by, one.split, one.images, one.matched) for one in material.layers]
    frame = pd.DataFrame(rows, columns=["layer", "by", "split", "images", "matched"])
    return frame.assign(share=frame["matched"] / frame["images"].where(frame["images"] > 0))


def measure_gaps(material: Material) -> pd.DataFrame:
    """Describe the days between consecutive studies of a patient.

    Returns:
        Columns `split`, `patients` (with at least two studies that have a date), `gaps`, `mean`,
        `min`, `QUANTILES` and `max` (in days, whole ones from date to date), `same_time` (gaps
        between studies of the same date and time, which are ordered by their id), and `undated`
        (studies without a date). A study whose images have several times counts with the earliest
        of its rows. No row if the rows tell no dates.
    """
    columns = ["split", "patients", "gaps", "mean", "min", *QUANTILES, "max", "same_time",
               "undated"]  # fmt: skip
    studies = material.studies
    if MOMENT not in studies.column_names or "subject_id" not in studies.column_names:
        return pd.DataFrame(columns=columns)
    rows = []
    for split, part in _parts(studies.select([SPLIT, *IDS, MOMENT]), material.splits):
        gaps = days_between(part, MOMENT)
        undated = part[MOMENT].null_count
        rows.append((split, gaps.patients, len(gaps.days), *_spread(gaps.days), gaps.same_time,
                     undated))  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
