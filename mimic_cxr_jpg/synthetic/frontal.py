"""A frontal image of an invented release, and where its parts and findings are painted."""

from __future__ import annotations

from dataclasses import dataclass

from mimic_cxr_jpg.synthetic.studies import Study, StudyImage

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class Frontal:
    """A frontal image, and what is painted in it.

    Attributes:
        study: Its study.
        image: The image.
        parts: Parts of the chest, and findings -> box in pixels.
    """

    study: Study
    image: StudyImage
    parts: dict[str, Box]

    @property
    def path(self) -> str:
        """Its file, from the release's root."""
        return self.study.image_path(self.image)
