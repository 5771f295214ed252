"""The forms in which people have the images of a release: other suffixes, other folders.

Copies with smaller images are stored by the thousand under names of their own. A dataset declares
the usual ones; `places` finds out which of them a copy has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

import pyarrow as pa
import pyarrow.compute as pc

SUFFIXES = (".jpg", ".jpeg", ".png")
"""Suffixes that images are stored with, whatever the release's own is."""


@dataclass(frozen=True)
class Form:
    """One form: how an image of the release is called, and in which folder it is.

    Attributes:
        told: The form as it is told, such as `pXX/p<subject_id>/s<study_id>/<dicom_id>.png`.
        suffix: What the names of its files end in.
        pattern: Regular expression of a path of the release; empty: the form is the release's own.
        replacement: What becomes of such a path.
    """

    told: str
    suffix: str
    pattern: str = ""
    replacement: str = ""

    @property
    def is_own(self) -> bool:
        """Whether it is the form that the release itself has."""
        return not self.pattern

    def files(self, paths: pa.Array) -> pa.Array:
        """Give the path of each image in this form, given its path in the release; strings."""
        if self.is_own:
            return paths
        return pc.replace_substring_regex(paths, pattern=self.pattern, replacement=self.replacement)


@dataclass(frozen=True)
class ImageForms:
    r"""What a dataset declares of the forms that its images are found in.

    Attributes:
        path: Regular expression of the release's own paths, without the suffix.
        layouts: For each layout how it is told and the path in it, in which `\1` stands for the
            first group of `path`; both without the suffix. The release's own comes first.
        suffixes: What names end in; the release's own comes first.
        others: Regular expression of a whole name in a folder -> what the folder is instead, and
            what to do; whole sentences.
    """

    path: str
    layouts: Mapping[str, str]
    suffixes: tuple[str, ...] = SUFFIXES
    others: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_suffix(cls, suffix: str) -> ImageForms:
        """Give the forms of a dataset that declares none: its own folders, and other suffixes."""
        suffixes = tuple(dict.fromkeys([suffix, *SUFFIXES]))
        return cls("(.*)", {"<as in the release>": r"\1"}, suffixes)

    def __iter__(self) -> Iterator[Form]:
        """Every form; the release's own comes first."""
        own = self.suffixes[0]
        for number, ((told, path), suffix) in enumerate(
            product(self.layouts.items(), self.suffixes)
        ):
            pattern = f"^{self.path}{re.escape(own)}$" if number else ""
            yield Form(told + suffix, suffix, pattern, path + suffix)

    def recognised(self, names: Iterable[str]) -> str:
        """Say what a folder is instead of a copy of the dataset; empty if it is nothing known.

        Args:
            names: Some names in the folder.
        """
        names = list(names)
        for pattern, told in self.others.items():
            if any(re.fullmatch(pattern, name) for name in names):
                return told
        return ""
