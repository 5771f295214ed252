"""`annotation.json`, as R2Gen (Chen et al., EMNLP 2020) and those after it read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cxr_datasets.builder.builder import CxrBuilder
from cxr_datasets.export.forms.task import (
    SPLITS,
    Task,
    below_image_folder,
    prior_columns,
    study_key,
)

R2GEN = "r2gen"

DOCUMENT = "annotation.json"


@dataclass(frozen=True)
class R2Gen(Task):
    """A list for each of `train`, `val` and `test`.

    In config `images`, each image has an entry; in `studies`, each study has one, with the paths of
    its images. R2Gen has one file of each kind.
    """

    name = R2GEN
    told = "R2Gen"
    about = "`annotation.json`"

    def paths(self, row: Mapping[str, Any], builder: CxrBuilder) -> list[str]:
        """See `Task.paths`: without the folder that these files take for granted.

        Images of studies that are written are `<id>/0.png`, `<id>/1.png` and so on.
        """
        paths = super().paths(row, builder)
        if self.written and "image_id" not in row:
            return [f"{study_key(row, builder)}/{at}" for at in range(len(paths))]
        return below_image_folder(paths, builder)

    def entry(
        self, row: Mapping[str, Any], text: str, paths: list[str], split: str, builder: CxrBuilder
    ) -> dict[str, Any]:
        """See `Task.entry`."""
        return {
            "id": row["image_id"] if "image_id" in row else study_key(row, builder),
            "study_id": row["study_id"],
            "subject_id": row["subject_id"],
            "report": text,
            "image_path": paths,
            "split": split,
            **prior_columns(row),
        }

    @classmethod
    def documents(cls, parts: Mapping[str, Iterable[bytes]]) -> dict[str, Iterator[bytes]]:
        """See `Task.documents`."""
        return {DOCUMENT: _document(parts)}


def _document(parts: Mapping[str, Iterable[bytes]]) -> Iterator[bytes]:
    yield b"{"
    for number, (split, entries) in enumerate(parts.items()):
        yield f'{"," if number else ""}\n"{SPLITS.get(split, split)}": ['.encode()
        for at, entry in enumerate(entries):
            yield (b",\n" if at else b"\n") + entry
        yield b"\n]"
    yield b"\n}\n"
