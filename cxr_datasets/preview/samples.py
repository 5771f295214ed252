"""Which studies the page shows, and what it shows of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from cxr_datasets.columns import LABELS
from cxr_datasets.preview.packed import UNLABELLED, Packed


def choose(packed: Packed, count: int, seed: int) -> list[int]:
    """Choose studies that show, as far as so few can, every split, every view and every state.

    Args:
        packed: The columns of all studies.
        count: How many to choose.
        seed: Another one chooses others.

    Returns:
        Places of the studies in the packed columns, in their order there.
    """
    studies = len(packed.columns["images"])
    order = np.random.default_rng(seed).permutation(studies)
    chosen = np.zeros(studies, bool)
    for has in _kinds(packed):
        if chosen.sum() >= count:
            break
        if has.any() and not (has & chosen).any():
            chosen[order[np.argmax(has[order])]] = True
    left = order[~chosen[order]]
    chosen[left[: max(0, count - int(chosen.sum()))]] = True
    return np.flatnonzero(chosen).tolist()


def _kinds(packed: Packed) -> Iterator[np.ndarray]:
    """For each thing to be seen, which studies show it: splits, views, then states of labels."""
    study = np.repeat(np.arange(len(packed.columns["images"])), packed.columns["images"])
    for column in ("split", "view"):
        values = packed.columns[column]
        for value in np.unique(values):
            yield np.bincount(study[values == value], minlength=study[-1] + 1) > 0
    states = [packed.columns[f"states {place}"] for place in range(len(packed.meta["sources"]))]
    for code in (1, 3, 2):  # positive, uncertain, negative
        for source in states:
            labelled = source != UNLABELLED
            for label in range(len(LABELS)):
                yield labelled & ((source >> np.uint32(2 * label)) & 3 == code)
