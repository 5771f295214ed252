"""Which of several places the reports are taken from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.wording import get_logger
from mimic_cxr_jpg.reports.store import ReportStore, Studies

_logger = get_logger(__name__)


def choose(stores: Sequence[ReportStore], sample: Callable[[], Studies], cache: str) -> ReportStore:
    """Choose the reports that have a text for most of some studies; of equal ones the first.

    If others have texts that they lack, one line says so.

    Args:
        stores: The reports that were found, nearest first; at least one.
        sample: Gives some studies of the release, spread over all of them.
        cache: Folder in which archives may write what they need in order to be read.

    Raises:
        ReportsError: An archive that must be looked into is damaged.
    """
    if len(stores) == 1:
        return stores[0]
    looked_at: list[tuple[ReportStore, pa.Array]] = []
    for store in stores:
        store.prepare(cache)
        has = store.has(*sample())
        looked_at.append((store, has))
        if pc.all(has).as_py():  # no other can have more
            break
    best, has_best = max(looked_at, key=lambda found: _count(found[1]))  # the first of equal ones
    for store, has in looked_at:
        lacking = _count(pc.and_not(has, has_best))
        if lacking:
            _logger.warning(
                "Reports are taken from %s, which has those of %d of %d studies looked for. "
                "Others are in %s: %d of these studies have a text there alone. Put all texts in "
                "one place, or say by reports= which to take",
                best.address, _count(has_best), len(has_best), store.address, lacking,
            )  # fmt: skip
            break
    return best


def _count(marked: pa.Array) -> int:
    return pc.sum(marked).as_py() or 0
