"""Which column is what: of an image or of a study, a text, a source of labels, a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import pyarrow as pa

from cxr_datasets.columns import LABELS, OF_PRIORS, PIXELS, SECTIONS, plural
from cxr_datasets.errors import PackageError
from cxr_datasets.packages import builder_class, known_datasets

DATE, TIME = "study_date", "study_time"
"""When a study was made, as text: 2180-05-06 and 08:05:56.875."""

AGE, SEX = "age", "sex"
"""Of the patient at the study: years, and a text, in datasets that tell them."""

IDS = ("study_id", "subject_id")

_OF_A_STUDY = (*IDS, "report", *SECTIONS, "labels")
_OF_AN_IMAGE = ("image_id", "view", "path")
_TEXTS = ("report", *SECTIONS)


@dataclass(frozen=True)
class Kinds:
    """What is known of a dataset's columns, by the names they have in config `images`.

    Attributes:
        of_a_study: Those that have one value for all images of a study.
        of_an_image: Those that have a value for each image.
        texts: Those that hold a report or a section of one.
    """

    of_a_study: tuple[str, ...] = _OF_A_STUDY
    of_an_image: tuple[str, ...] = _OF_AN_IMAGE
    texts: tuple[str, ...] = _TEXTS

    def singular(self, name: str) -> str | None:
        """Name in config `images` of a list in config `studies`; None of another column."""
        return next((one for one in self.of_an_image if plural(one) == name), None)


def kinds_of(names: Collection[str], dataset: str | None = None) -> Kinds:
    """Find out what the columns of some rows are.

    Args:
        names: Their columns.
        dataset: Name of the dataset, if it is known. If not, it is the installed one that has most
            of these columns; rows with core columns only are of none.
    """
    known = [_declared(dataset)] if dataset else [_declared(name) for name in known_datasets()]
    plurals = {plural(name) for name in _OF_AN_IMAGE} <= set(names)
    best, most = Kinds(), 0
    for kinds in known:
        own_of_image = kinds.of_an_image[len(_OF_AN_IMAGE) :]
        own = [
            *kinds.of_a_study[len(_OF_A_STUDY) :],
            *(map(plural, own_of_image) if plurals else own_of_image),
        ]
        found = sum(name in names for name in own)
        if found > most or dataset:
            best, most = kinds, found
    return best


def _declared(dataset: str) -> Kinds:
    """What a dataset declares of its own columns, after the core ones."""
    try:
        own = builder_class(dataset).COLUMNS
    except PackageError:  # one that is broken says nothing of the others
        return Kinds()
    studies = tuple(column.name for column in own if column.per == "study")
    texts = tuple(column.name for column in own if column.is_section)
    return Kinds(
        of_a_study=_OF_A_STUDY + studies,
        of_an_image=_OF_AN_IMAGE + tuple(one.name for one in own if one.per == "image"),
        texts=_TEXTS + texts,
    )


def label_sources(schema: pa.Schema) -> list[str]:
    """Names of the columns that hold the 14 labels, in order."""
    return [
        field.name
        for field in schema
        if pa.types.is_struct(field.type)
        and {field.type.field(n).name for n in range(field.type.num_fields)} == set(LABELS)
    ]


def without_pixels(names: Iterable[str]) -> list[str]:
    """Leave out the columns of images, and those that repeat what rows of earlier studies hold."""
    return [name for name in names if name not in (*PIXELS, *OF_PRIORS)]
