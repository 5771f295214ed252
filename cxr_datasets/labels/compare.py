"""Two sources of labels, side by side."""

from __future__ import annotations

from collections.abc import Mapping

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import OptionError
from cxr_datasets.labels.matrix import label_matrix

_STATES = ("positive", "negative", "uncertain", "not mentioned")
_VALUES = (1, 0, -1)
"""Values of the first three; the last is NaN."""

_SCORES = {"mention": (0, 1, 2), "negation": (1,), "uncertainty": (2,), "positive": (0,)}
"""What the F1 scores are of, as places of states; the first three are those of Irvin et al., AAAI
2019, table 2."""


def compare(
    dataset: datasets.Dataset | Mapping[str, datasets.Dataset], first: str, second: str
) -> pd.DataFrame:
    """Compare two sources of labels, label by label, on the studies that have both.

    Args:
        dataset: A split, or several by name, with both columns.
        first: A column of labels, such as `labels`.
        second: Another, such as `labels_radiologist`.

    Returns:
        A row for each label, and `all` over their cells. Columns are pairs: `("studies", "")`, the
        number of studies that have both; `("f1", x)` of mention, negation, uncertainty and
        positive, where x is so in both, in one (NaN if in neither); `("kappa", "")`, Cohen's kappa
        of the four values (Educ Psychol Meas 1960), NaN if all have one and the same; and for each
        two of the four values `(value in first, value in second)`, the number of studies.

    Raises:
        OptionError: There is no such column, or no study has both.
    """
    left, right = map(_states, _both(dataset, first, second))
    names = [*LABELS, "all"]
    rows = [_compared(left[:, at], right[:, at]) for at in (*range(len(LABELS)), slice(None))]
    for row in rows:
        row["studies", ""] = len(left)
    table = pd.DataFrame(rows, index=pd.Index(names, name="label"))
    table.columns = pd.MultiIndex.from_tuples(table.columns)
    order = ["studies", "f1", "kappa", *_STATES]
    table = table[[column for name in order for column in table.columns if column[0] == name]]
    return table.astype({column: int for column in table if column[0] not in ("f1", "kappa")})


def _both(
    dataset: datasets.Dataset | Mapping[str, datasets.Dataset], first: str, second: str
) -> tuple[np.ndarray, np.ndarray]:
    """Labels of both sources, of the studies that have both: each study once."""
    splits = list(dataset.values()) if isinstance(dataset, Mapping) else [dataset]
    for name in (first, second):
        for split in splits:
            if name not in split.column_names:
                there = [column for column in split.column_names if column.startswith("labels")]
                raise OptionError.unknown("column of labels", name, there)
    names = list(dict.fromkeys(("study_id", first, second)))
    parts = [split.select_columns(names).with_format("arrow")[:] for split in splits]
    rows = pa.concat_tables([part.replace_schema_metadata(None) for part in parts])
    rows = rows.filter(pc.and_(pc.is_valid(rows[first]), pc.is_valid(rows[second])))
    if not rows.num_rows:
        raise OptionError(f"No study has both {first} and {second}. Load the splits that do.")
    _, once = np.unique(rows["study_id"].to_numpy(), return_index=True)
    rows = rows.take(np.sort(once))
    return label_matrix(rows[first]), label_matrix(rows[second])


def _states(matrix: np.ndarray) -> np.ndarray:
    """Give the place of each value's state, of the same shape."""
    states = np.full(matrix.shape, len(_VALUES), np.int8)
    for place, value in enumerate(_VALUES):
        states[matrix == value] = place
    return states


def _compared(left: np.ndarray, right: np.ndarray) -> dict[tuple[str, str], float]:
    """Everything but the number of studies, from the states of one label or of all."""
    number = len(_STATES)
    cells = np.bincount((left * np.int8(number) + right).ravel(), minlength=number**2)
    counts = cells.reshape(number, number)
    row: dict[tuple[str, str], float] = {}
    for name, places in _SCORES.items():
        both = counts[np.ix_(places, places)].sum()
        either = counts[list(places)].sum() + counts[:, list(places)].sum()
        row["f1", name] = 2 * both / either if either else np.nan
    row["kappa", ""] = kappa(counts)
    for at, first in enumerate(_STATES):
        for to, second in enumerate(_STATES):
            row[first, second] = counts[at, to]
    return row


def kappa(counts: np.ndarray) -> float:
    """Give Cohen's kappa (Educ Psychol Meas 1960), how far two sources agree beyond chance.

    Args:
        counts: Of shape (k, k): how often the first gives a value and the second another; one at
            least.

    Returns:
        At most 1; NaN if both give one and the same value always.
    """
    total = counts.sum()
    agreed = np.trace(counts) / total
    by_chance = (counts.sum(axis=0) * counts.sum(axis=1)).sum() / total**2
    return np.nan if by_chance == 1 else (agreed - by_chance) / (1 - by_chance)
