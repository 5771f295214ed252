"""The options that say which rows of a release are loaded, and in which split."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeVar

import datasets

from cxr_datasets.cohorts.patients import exact
from cxr_datasets.columns import SPLITS
from cxr_datasets.counts import is_whole
from cxr_datasets.errors import OptionError
from cxr_datasets.flags import check_flags
from cxr_datasets.storage.addresses import check_open

_C = TypeVar("_C", bound="CohortOptions")

BY_PATIENT = "patient"
"""Value of `split_by`: by a hash of the patient."""

_NONE_READ: dict[str, str] = {}

_USUAL_FRACTIONS = (0.7, 0.1, 0.2)
"""Shares of train, validation and test where none are given."""

LISTS = {"ids", "split_file"}
"""Options that are lists, of which a key and a card hold the length and a digest."""


@dataclass
class CohortOptions(datasets.BuilderConfig):
    """Which rows, and in which split; `CxrConfig` adds the other options.

    Attributes:
        SPLIT_BY: Values of `split_by`, beside None.
    """

    SPLIT_BY: ClassVar[tuple[str, ...]] = (BY_PATIENT,)

    ids: str | Any | None = field(
        default=None,
        metadata={
            "help": "Load only these: the address of a file of ids, as text, CSV or JSON, or in "
            "Python a list. They are all of images, all of studies or all of patients, which is "
            "told by their pattern, or by the name of the column.",
            "metavar": "FILE",
            "place": True,
        },
    )
    split_file: str | Any | None = field(
        default=None,
        metadata={
            "help": "Take the splits from this file in place of the release's: CSV or JSON of ids "
            "with their splits, such as R2Gen's annotation.json. What it does not list is left "
            "out.",
            "metavar": "FILE",
            "place": True,
        },
    )
    allow_shared_patients: bool = field(
        default=False,
        metadata={
            "help": "Whether patients may be in several splits of split_file, which is an error "
            "without it; they are counted."
        },
    )
    split_by: str | None = field(
        default=None,
        metadata={
            "help": "How to split in place of the release's splits: patient uses a hash of the "
            "patient, with fractions or folds. Default: as the release says."
        },
    )
    fractions: list[float] | None = field(
        default=None,
        metadata={
            "help": "With split_by=patient: the shares of patients in train, validation and test, "
            "which add up to 1. Default: 0.7 0.1 0.2, or with folds the release's own splits."
        },
    )
    folds: int | None = field(
        default=None,
        metadata={
            "help": "With split_by=patient: cut the patients of train and validation into so many "
            "folds, of which the one that fold names is validation and the others are train; test "
            "stays as it is."
        },
    )
    fold: int | None = field(
        default=None, metadata={"help": "With folds: which fold is validation, from 0 on."}
    )
    fraction: float | None = field(
        default=None,
        metadata={
            "help": "Keep this share of the patients of train, above 0 and at most 1. A smaller "
            "share is a part of a larger one."
        },
    )
    seed: int = field(
        default=0,
        metadata={
            "help": "With split_by=patient or fraction: another number draws other patients. "
            "Default: 0."
        },
    )
    require: list[str] | None = field(
        default=None,
        metadata={
            "help": "Leave out rows that lack one of these: columns, such as findings or labels, "
            "or single labels, such as Edema or labels_negbio.Edema. In their order, each counted."
        },
    )

    # Of each list, its length and digest; no field, as users do not give it.
    told_lists = _NONE_READ

    def check_cohort(self) -> None:
        """Check the values of these options.

        Raises:
            OptionError: One is wrong, or does not go with another.
        """
        self._check_lists()
        self._check_split_by()
        self._check_numbers_of_cohort()
        if self.require is not None:
            self.require = _names("require", self.require)

    def cohort_key(self) -> dict[str, Any]:
        """Those of them that are not as usual, for keys; a list by its length and digest."""
        plain = (option for option in fields(CohortOptions) if option.name not in LISTS)
        key = {
            option.name: getattr(self, option.name)
            for option in plain
            if option.metadata and getattr(self, option.name) != option.default
        }
        return {**self.told_lists, **key}

    def cohort_names(self) -> list[str]:
        """The names of these options."""
        return [option.name for option in fields(CohortOptions) if "help" in option.metadata]

    def without_lists(self: _C) -> _C:
        """A copy with what keys hold of its lists, in place of the lists: they may be long."""
        short = copy(self)
        for name in LISTS:
            setattr(short, name, self.told_lists.get(name))
        return short

    @property
    def shares(self) -> tuple[float, ...] | None:
        """Shares of the splits by patient; None: the splits are others."""
        if self.split_by != BY_PATIENT or (self.fractions is None and self.folds is not None):
            return None
        return tuple(self.fractions or _USUAL_FRACTIONS)

    def _check_lists(self) -> None:
        for name in sorted(LISTS):
            value = getattr(self, name)
            if isinstance(value, os.PathLike):
                value = os.fspath(value)
                setattr(self, name, value)
            if isinstance(value, str):
                check_open(name, value)
        if self.split_file is not None and self.split_by is not None:
            raise OptionError(
                f"split_file and split_by={self.split_by!r} exclude each other: both say in which "
                "split a row is. Leave one of them out."
            )
        check_flags(allow_shared_patients=self.allow_shared_patients)
        if self.allow_shared_patients and self.split_file is None:
            raise OptionError(
                "allow_shared_patients is of split_file, which is not given. Leave it out: no "
                "other way to split has a patient in two splits."
            )

    def _check_split_by(self) -> None:
        if self.split_by not in (None, *self.SPLIT_BY):
            raise OptionError.unknown("split_by", self.split_by, (None, *self.SPLIT_BY))
        for name in ("fractions", "folds", "fold"):
            if getattr(self, name) is not None and self.split_by != BY_PATIENT:
                raise OptionError(
                    f"{name} needs split_by={BY_PATIENT!r}: it says how the patients are split. "
                    "Give both, or none."
                )
        if self.fractions is not None:
            self.fractions = _shares(self.fractions)
        if (self.folds is None) != (self.fold is None):
            raise OptionError(
                "folds and fold belong together: folds=5, fold=0 takes the first of five as "
                "validation. Give both, or none."
            )

    def _check_numbers_of_cohort(self) -> None:
        if self.folds is not None and not is_whole(self.folds, least=2):
            raise OptionError(
                f"folds={self.folds!r} is not a number of folds. Give an integer from 2 on."
            )
        if self.fold is not None and not is_whole(self.fold, 0, (self.folds or 0) - 1):
            raise OptionError(
                f"fold={self.fold!r} is none of {self.folds} folds. Give an integer from 0 to "
                f"{(self.folds or 0) - 1}."
            )
        if self.fraction is not None and not (_is_share(self.fraction) and self.fraction > 0):
            raise OptionError(
                f"fraction={self.fraction!r} is not a share of the patients. Give a number above "
                "0 and at most 1, such as 0.01."
            )
        if not is_whole(self.seed, least=0):
            raise OptionError(f"seed={self.seed!r} is not a seed. Give an integer from 0 on.")
        if self.seed and self.split_by != BY_PATIENT and self.fraction is None:
            raise OptionError(
                f"seed={self.seed} has no effect without split_by={BY_PATIENT!r} or fraction. "
                "Leave it out, or give one of them."
            )


def _shares(given: Any) -> list[float]:
    shares = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    if (
        len(shares) != len(SPLITS)
        or not all(map(_is_share, shares))
        or sum(map(exact, shares)) != 1
    ):
        raise OptionError(
            f"fractions={given!r} is not three shares that add up to 1. Give those of train, "
            "validation and test, such as (0.7, 0.1, 0.2); a split of 0 has no rows."
        )
    return [float(share) for share in shares]


def _names(option: str, given: Any) -> list[str]:
    is_list = isinstance(given, Iterable) and not isinstance(given, (str, Mapping))
    names = list(given) if is_list else [given]
    if not names or not all(isinstance(name, str) for name in names):
        raise OptionError(
            f"{option}={given!r} is not a list of names. Give columns or labels, such as "
            f"{option}=['findings']."
        )
    return list(dict.fromkeys(names))


def _is_share(value: object) -> bool:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return math.isfinite(value) and 0 <= value <= 1
