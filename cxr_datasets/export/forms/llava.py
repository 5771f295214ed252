"""Conversations about images, as LLaVA (Liu et al., NeurIPS 2023) and its successors train on."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cxr_datasets.builder.builder import CxrBuilder
from cxr_datasets.errors import OptionError
from cxr_datasets.export.forms.task import PRIOR_PATHS, SPLITS, Task
from cxr_datasets.export.forms.texts import sections_of

LLAVA = "llava"

IMAGE = "<image>"
"""Stands for an image in what the human says. It comes first, on a line of its own."""

PRIOR = "prior"
"""Field of a template: the target text of the newest earlier study, if the option gives them."""

TEMPLATE = "Write the {target} of this chest radiograph."

_PRIOR = " The report of the earlier study: {prior}"
"""Added to `TEMPLATE` where there is an earlier study with a text."""


@dataclass(frozen=True)
class Llava(Task):
    """A line of JSON for each row: what the human asks, with its images, and what is answered.

    Attributes:
        template: What the human says, with names of columns in braces; None: `TEMPLATE`.
    """

    template: str | None = None

    name = LLAVA
    told = "LLaVA"
    about = "a conversation a line, `llava_train.jsonl` and so on"
    configs = ("images", "studies", "reports")

    def identity(self) -> dict[str, Any]:
        """See `Form.identity`."""
        return {**super().identity(), "template": self.template}

    def check(self, builder: CxrBuilder) -> None:
        """See `Form.check`."""
        super().check(builder)
        known = [*sections_of(builder), "view", "target", PRIOR]
        try:
            fields = [field for _, field, _, _ in string.Formatter().parse(self.template or "")]
        except ValueError:
            raise OptionError(
                f"template={self.template!r} has braces that do not fit. A name of a column "
                "stands in one pair; a brace itself is written twice."
            ) from None
        for field in fields:
            if field is not None and field not in known:
                raise OptionError.unknown("a field of template", field, known)

    def entry(
        self, row: Mapping[str, Any], text: str, paths: list[str], split: str, builder: CxrBuilder
    ) -> dict[str, Any]:
        """See `Task.entry`."""
        by_image = "image_id" in row
        paths = [*paths, *row.get(PRIOR_PATHS, ())]
        image = {} if not paths else {"image": paths[0] if by_image and len(paths) == 1 else paths}
        return {
            "id": row["image_id"] if by_image else str(row["study_id"]),
            **image,
            "conversations": [
                {"from": "human", "value": f"{IMAGE}\n" * len(paths) + self._asked(row)},
                {"from": "gpt", "value": text},
            ],
        }

    def _asked(self, row: Mapping[str, Any]) -> str:
        prior = self._prior(row)
        template = self.template
        if template is None:
            template = TEMPLATE + (_PRIOR if prior else "")
        told = {name: "" if value is None else value for name, value in row.items()}
        views = row.get("view") or ", ".join(row.get("views") or ())
        said = {**told, "view": views, "target": self.texts.section_of(row), PRIOR: prior}
        return " ".join(template.format_map(said).split(" ")).strip()

    def _prior(self, row: Mapping[str, Any]) -> str:
        plural = {"findings": "prior_findings", "impression": "prior_impressions"}
        for name in self.texts.target:
            some = row.get(plural.get(name, "")) or [None]
            if some[0]:
                return self.texts.cleaned(some[0]) or ""
        return ""

    @classmethod
    def documents(cls, parts: Mapping[str, Iterable[bytes]]) -> dict[str, Iterator[bytes]]:
        """See `Task.documents`."""
        return {
            f"llava_{SPLITS.get(split, split)}.jsonl": (entry + b"\n" for entry in entries)
            for split, entries in parts.items()
        }
