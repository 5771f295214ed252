"""The columns that the option `mimic_iv` adds, and the option."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import datasets

from cxr_datasets.builder import Column

OPTION = "mimic_iv"

_ID = datasets.Value("int64")


def _column(name: str, feature: Any, about: str) -> Column:
    return Column(name, feature, "study", f"with `{OPTION}`: {about}", option=OPTION)


COLUMNS: tuple[Column, ...] = (
    _column("sex", datasets.Value("string"), "`gender` of `patients`: `F` or `M`"),
    _column(
        "age", datasets.Value("int32"),
        "years at the study: `anchor_age` plus the year of `study_date` minus `anchor_year`, "
        "right to a year; 91 for all above 89",
    ),
    _column(
        "age_is_floor", datasets.Value("bool"),
        "whether `age` is the least that it can be: it is 91, or `anchor_age` is",
    ),
    _column(
        "race", datasets.Value("string"),
        "`race` of the admission `hadm_id`; without one, of the stay `ed_stay_id`",
    ),
    _column(
        "hadm_id", _ID,
        "the admission to the hospital that holds the study's date and time; of several, the "
        "one that began last",
    ),
    _column(
        "hadm_hits", datasets.Value("int8"),
        "how many admissions hold the study: 0 none; null if that cannot be known",
    ),
    _column(
        "hadm_in_ed", datasets.Value("bool"),
        "whether the study was made before `hadm_id` began, in the emergency department from "
        "which the patient was admitted",
    ),
    _column(
        "stay_id", _ID,
        "the stay in an intensive care unit, of `icustays`, found as `hadm_id` is",
    ),
    _column("stay_hits", datasets.Value("int8"), "how many such stays hold the study"),
    _column(
        "ed_stay_id", _ID,
        "the stay in the emergency department, of `edstays` of MIMIC-IV-ED, found likewise",
    ),
    _column("ed_stay_hits", datasets.Value("int8"), "how many such stays hold the study"),
)  # fmt: skip
"""They are there only with the option, and null where MIMIC-IV does not tell."""


def mimic_iv_option() -> Any:
    """Declare the option as a dataclass field."""
    return field(
        default=None,
        metadata={
            "help": "Where MIMIC-IV is, a separate project: the folder that holds its hosp/ and "
            "icu/, a .zip of it, or an address. Rows then have the columns "
            f"{', '.join(column.name for column in COLUMNS)}. Default: without them.",
            "place": True,
        },
    )
