"""Conversations about images, as LLaVA (Liu et al., NeurIPS 2023) and its successors train on."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cxr_datasets.builder.builder import CxrBuilder
from cxr_datasets.errors import OptionError
from cxr_datasets.export.forms.task import PRIOR_PATHS, SPLITS, Task
from cxr_datasets.export.forms.texts import sections_of
from cxr_datasets.labels import target_text

LLAVA = "llava"

IMAGE = "<image>"
"""Stands for an image in what the human says. It comes first, on a line of its own."""

PRIOR = "prior"
"""Field of a template: the target text of the newest earlier study that has one."""

TEMPLATE = "Write the {target} of this chest radiograph."

_OF_PRIORS = {"findings": "prior_findings", "impression": "prior_impressions"}
"""Section -> the column of that section of earlier studies."""

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
        if self.template is not None:
            _check_template(self.template, [*sections_of(builder), "view", "target", PRIOR])

    def entry(
        self, row: Mapping[str, Any], text: str, paths: list[str], split: str, builder: CxrBuilder
    ) -> dict[str, Any]:
        """See `Task.entry`."""
        by_image = "image_id" in row
        paths = [*paths, *(path for path in row.get(PRIOR_PATHS, ()) if path is not None)]
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
        return _filled(template, said)

    def _prior(self, row: Mapping[str, Any]) -> str:
        """Give the target text of the newest earlier study that has one; lists are newest first."""
        told = {name: _OF_PRIORS[name] for name in self.texts.target if name in _OF_PRIORS}
        for study in zip(*(row.get(column) or () for column in told.values()), strict=True):
            text = self.texts.cleaned(target_text(dict(zip(told, study, strict=True)), [*told]))
            if text:
                return text
        return ""

    @classmethod
    def documents(cls, parts: Mapping[str, Iterable[bytes]]) -> dict[str, Iterator[bytes]]:
        """See `Task.documents`."""
        return {
            f"llava_{SPLITS.get(split, split)}.jsonl": (entry + b"\n" for entry in entries)
            for split, entries in parts.items()
        }


def _check_template(template: object, known: Sequence[str]) -> None:
    if not isinstance(template, str):
        raise OptionError(
            f"template={template!r} is no text. Give what the human says, such as {TEMPLATE!r}."
        )
    if IMAGE in template:
        raise OptionError(
            f"template={template!r} has {IMAGE}, which stands before each question for each of its "
            "images. Leave it out of the template."
        )
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError:
        raise OptionError(
            f"template={template!r} has braces that do not fit. A name of a column stands in one "
            "pair; a brace itself is written twice."
        ) from None
    for _, field, form, conversion in parts:
        if field is not None and field not in known:
            raise OptionError.unknown("a field of template", field, known)
        if form or conversion:
            raise OptionError(
                f"template={template!r} has more than the name {field!r} in its braces. Write "
                f"{{{field}}}."
            )


def _filled(template: str, said: Mapping[str, str]) -> str:
    """Fill a template. Of an empty field one space goes too where two would meet."""
    text, is_gone = "", False
    for literal, field, _, _ in string.Formatter().parse(template):
        is_after_space = not text or text[-1].isspace()
        text += literal.removeprefix(" ") if is_gone and is_after_space else literal
        value = "" if field is None else said[field]
        # A brace that is written twice is a piece without a field.
        is_gone = field is not None and not value
        text += value
    return text.strip()
