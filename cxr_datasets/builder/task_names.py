"""How files that other programs train and score by call the studies and images of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


def _by_id(study_id: int, image_ids: Sequence[str]) -> str:
    return str(study_id)


@dataclass(frozen=True)
class TaskNames:
    """What the files of others take for granted of a dataset.

    Attributes:
        image_folder: Folder of the release that holds all images, with its `/`. Paths in R2Gen's
            file begin in it.
        view_words: Column of an image with the words by which ReXrank calls its view; None: the
            name of the view, such as `Frontal`.
        study: Gives the name of a study by its id and the ids of its images.
    """

    image_folder: str = ""
    view_words: str | None = None
    study: Callable[[int, Sequence[str]], str] = _by_id
