"""The text of each row that a model is to write, chosen and cleaned as the options say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cxr_datasets.builder.builder import CxrBuilder
from cxr_datasets.columns import SECTIONS
from cxr_datasets.errors import OptionError
from cxr_datasets.labels import clean_text, target_text


@dataclass(frozen=True)
class Texts:
    """How texts are chosen and cleaned.

    Attributes:
        target: Names of sections, the wanted one first; see `target_text`.
        clean: Names of recipes, in order; see `clean_text`. None: texts stay as they are.
    """

    target: tuple[str, ...]
    clean: tuple[str, ...] | None = None

    def identity(self) -> dict[str, Any]:
        """Give what decides the bytes, by the name of its option."""
        return {"target": list(self.target), "clean": self.clean and list(self.clean)}

    def check(self, builder: CxrBuilder) -> None:
        """Check that rows have such columns, and that there are such recipes.

        Raises:
            OptionError: One is not there.
        """
        there = sections_of(builder)
        for name in self.target:
            if name not in there:
                raise OptionError.unknown("target", name, there)
        self.cleaned("")

    def of(self, row: Mapping[str, Any]) -> str | None:
        """Give the target text of a row; None if it has none, or nothing is left of it."""
        return self.cleaned(target_text(row, self.target))

    def section_of(self, row: Mapping[str, Any]) -> str:
        """Give the name of the section that the target text of a row is."""
        return next((name for name in self.target if target_text(row, name)), self.target[0])

    def cleaned(self, text: str | None) -> str | None:
        """Clean a text by the recipes; None if nothing is left."""
        return clean_text(text, self.clean) if self.clean else text


def sections_of(builder: CxrBuilder) -> list[str]:
    """Names of the columns that hold texts of a report."""
    own = [column.name for column in builder.own_columns if column.is_section]
    return ["report", *SECTIONS, *own]
