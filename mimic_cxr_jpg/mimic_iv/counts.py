"""One line that says how much of a release MIMIC-IV tells: counts, and no ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.wording import get_logger

_logger = get_logger(__name__)

_STAYS = {
    "stay_hits": "a stay in intensive care",
    "ed_stay_hits": "a stay in the emergency department",
}


def say_found(
    columns: Mapping[str, pa.Array],
    subjects: pa.Array,
    known: pa.Array,
    patients: str,
    unusable: Mapping[str, int],
    without_ed: str | None,
) -> None:
    """Say how many studies have what, and how many rows could hold none.

    Args:
        columns: The columns of all studies.
        subjects: The patient of each study.
        known: Whether that patient has a row in `patients`.
        patients: Where the table `patients` is.
        unusable: Table -> its rows without a start and an end after it.
        without_ed: Why MIMIC-IV-ED is not there, in words, or empty; None: it is there.
    """
    if not _count(known):
        _logger.warning(
            "None of the %d patients has a row in %s: all columns of MIMIC-IV are null. Is it "
            "MIMIC-IV, and whole? MIMIC-III and other releases are of other patients",
            len(pc.unique(subjects)), patients,
        )  # fmt: skip
        return
    told = [*_unknown(columns, subjects, known, patients), *_held(columns)]
    if without_ed is not None:
        refusal = f" ({without_ed})" if without_ed else ""
        told.append(f"ed_stay_id is null, as no edstays.csv.gz was found{refusal}")
    told += [
        f"{rows} rows of {address} hold none, as they do not end, or end before they begin"
        for address, rows in unusable.items() if rows
    ]  # fmt: skip
    _logger.warning("MIMIC-IV and the %d studies: %s", len(known), "; ".join(told))


def _unknown(
    columns: Mapping[str, pa.Array], subjects: pa.Array, known: pa.Array, patients: str
) -> Iterator[str]:
    without = pc.invert(known)
    if _count(without):
        others = len(pc.unique(subjects.filter(without)))
        yield (
            f"{_count(without)} are of {others} patients without a row in {patients}, and have null"
        )
    undated = _count(pc.and_(known, columns["hadm_hits"].is_null()))
    if undated:
        yield f"{undated} have no date and time, and are in no stay"


def _held(columns: Mapping[str, pa.Array]) -> Iterator[str]:
    hits = columns["hadm_hits"]
    yield (
        f"{_count(pc.greater(hits, 0))} are in an admission, {_count(columns['hadm_in_ed'])} of "
        f"them before it in the emergency department, {_count(pc.greater(hits, 1))} in several, of "
        f"which the last counts, and {_count(pc.equal(hits, 0))} in none"
    )
    for name, what in _STAYS.items():
        hits = columns[name]
        if hits.null_count < len(hits):
            several = _count(pc.greater(hits, 1))
            yield f"{_count(pc.greater(hits, 0))} are in {what}, {several} in several"


def _count(marked: pa.Array) -> int:
    return pc.sum(marked).as_py() or 0
