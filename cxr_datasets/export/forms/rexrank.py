"""The files of ReXrank, by which reports that a model wrote are scored, study by study."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cxr_datasets.builder.builder import CxrBuilder
from cxr_datasets.export.forms.rows import listed
from cxr_datasets.export.forms.task import SPLITS, Task, prior_columns, study_key

REXRANK = "rexrank"

_CONTEXT = {"age": "Age", "sex": "Gender", "indication": "Indication", "comparison": "Comparison"}
"""Columns that make up the context, as far as a row has them -> what each is called there."""


@dataclass(frozen=True)
class ReXrank(Task):
    """A file a split: the id of a study -> all that a model is given, and what it is scored by.

    What is missing is null, where ReXrank's own files have a bare NaN, which is no JSON; and paths
    are relative, where some of its own begin with `/`.
    """

    name = REXRANK
    told = "ReXrank"
    about = "a file a split, `rexrank_test.json` and so on"
    configs = ("studies",)

    def entry(
        self, row: Mapping[str, Any], text: str, paths: list[str], split: str, builder: CxrBuilder
    ) -> dict[str, Any]:
        """See `Task.entry`."""
        sections = {name: self.texts.cleaned(row[name]) for name in ("findings", "impression")}
        told = (f"{name.capitalize()}: {said}" for name, said in sections.items() if said)
        words = builder.TASK_NAMES.view_words
        views = listed(row, words) if words else [v.capitalize() for v in listed(row, "view")]
        return {
            "study": study_key(row, builder),
            "image_path": paths,
            "key_image_path": paths[0],
            "frontal_lateral": views,
            "context": _context(row),
            "section_findings": sections["findings"],
            "section_impression": sections["impression"],
            "report": " ".join(told) or text,
            "split": split,
            "subject_id": row["subject_id"],
            **prior_columns(row),
        }

    @classmethod
    def documents(cls, parts: Mapping[str, Iterable[bytes]]) -> dict[str, Iterator[bytes]]:
        """See `Task.documents`."""
        return {
            f"rexrank_{SPLITS.get(split, split)}.json": _document(entries)
            for split, entries in parts.items()
        }


def _context(row: Mapping[str, Any]) -> str:
    there = {name: row.get(name) for name in _CONTEXT}
    return " ".join(
        f"{_CONTEXT[name]}: {value}" for name, value in there.items() if value is not None
    )


def _document(entries: Iterable[bytes]) -> Iterator[bytes]:
    yield b"{"
    for number, entry in enumerate(entries):
        fields = json.loads(entry)
        key = json.dumps(fields.pop("study"))
        told = json.dumps(fields, ensure_ascii=False)
        yield f"{',' if number else ''}\n{key}: {told}".encode()
    yield b"\n}\n"
