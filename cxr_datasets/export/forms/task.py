"""Files that other programs train and score by: JSON, whose entries name image files by path.

Each file of the export is a part: a line of JSON for each entry, with the image files that were
written for it. The documents that other programs read are put together from the finished parts, as
the card is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import compress
from typing import Any, ClassVar

import pyarrow as pa

from cxr_datasets.builder.builder import CxrBuilder
from cxr_datasets.columns import PIXELS, plural
from cxr_datasets.errors import OptionError
from cxr_datasets.export.folder import Folder
from cxr_datasets.export.forms.form import Counts, Form
from cxr_datasets.export.forms.rows import (
    earlier_images,
    listed,
    own_images,
    plain_rows,
    suffix_of,
)
from cxr_datasets.export.forms.texts import Texts
from cxr_datasets.export.line import Line
from cxr_datasets.export.plan import PlannedFile
from cxr_datasets.storage.ahead import one_ahead

PART = ".part"

IMAGE_FOLDER = "files"
"""Folder beside the documents for the images that are written."""

SPLITS = {"validation": "val"}
"""Names of splits in these files, where they are others than ours."""

PRIOR_FOLDER = "priors"
"""Folder in it for the images of earlier studies, each called by its study."""

PRIOR_PATHS = "prior_image_path"

_OF_PRIORS = (
    *("prior_study_ids", "prior_days", "prior_tied", "prior_findings", "prior_impressions"),
    PRIOR_PATHS,
)

_AT_ONCE = 8
"""Image files that are written at once."""

Written = list[tuple[str, int, str]]
"""Image files: name in the export, size in bytes, sha256."""


@dataclass(frozen=True)
class Task(Form):
    """A task file. A subclass says what an entry is, and what a document is made of.

    Attributes:
        texts: How the text to write is chosen and cleaned. Rows without one have no entry.
        written: Whether the images are written beside the documents; if not, paths are those of the
            files in the copy of the release, and no image is read.
    """

    texts: Texts
    written: bool

    suffix = PART
    about = ""
    configs: ClassVar[tuple[str, ...]] = ("images", "studies")

    @property
    def holds_images(self) -> bool:  # type: ignore[override]
        """See `Form`."""
        return self.written

    def identity(self) -> dict[str, Any]:
        """See `Form.identity`."""
        return {"as": self.name, "write_images": self.written, **self.texts.identity()}

    def check(self, builder: CxrBuilder) -> None:
        """See `Form.check`."""
        config = builder.config
        if config.name not in self.configs:
            raise OptionError(
                f"config={config.name!r} cannot be exported as {self.name!r}. Use config "
                f"{' or '.join(map(repr, self.configs))}."
            )
        if config.image_size is not None and not self.written:
            raise OptionError(
                "image_size makes new images, and write_images=False writes none. Leave out one "
                "of them."
            )
        self.texts.check(builder)

    def columns(self, builder: CxrBuilder) -> Collection[str] | None:
        """See `Form.columns`."""
        return None if self.written else [
            name for name in builder.features() if name not in PIXELS
        ]  # fmt: skip

    def entry(
        self, row: Mapping[str, Any], text: str, paths: list[str], split: str, builder: CxrBuilder
    ) -> dict[str, Any]:
        """Give the entry of a row.

        Args:
            row: Its columns, without images.
            text: The text to write.
            paths: The paths of its images.
            split: Its split, as these files call it.
            builder: The builder that the row is from.
        """
        raise NotImplementedError

    @classmethod
    def documents(cls, parts: Mapping[str, Iterable[bytes]]) -> dict[str, Iterator[bytes]]:
        """Give the documents that other programs read.

        Args:
            parts: Split -> its entries, as JSON, in order.

        Returns:
            Name of each -> its bytes, piece by piece.
        """
        raise NotImplementedError

    def write(
        self,
        folder: Folder,
        file: PlannedFile,
        builder: CxrBuilder,
        tables: Iterable[pa.Table],
        key: str,
        counts: Counts,
    ) -> Line:
        """See `Form.write`."""
        rows = memory = entries = 0
        with folder.writing(file.name) as sink:
            with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="cxr-images") as threads:
                for table in one_ahead(tables):
                    begun = [
                        (
                            entry,
                            [threads.submit(_put, folder, file, *one) for one in images.items()],
                        )
                        for entry, images in self._entries(builder, table, file.split)
                    ]
                    for entry, put in begun:
                        both = [entry, [one.result() for one in put]]
                        line = json.dumps(both, ensure_ascii=False, allow_nan=False)
                        sink.stream.write(f"{line}\n".encode())
                    entries += len(begun)
                    rows, memory = rows + len(table), memory + table.nbytes
                    sink.advance()
            notes = {"memory": memory, "without_entry": rows - entries, **counts()}
            sha256 = sink.finish()
        return Line(name=file.name, rows=entries, bytes=sink.bytes, sha256=sha256, **notes)

    def bytes_of(self, builder: CxrBuilder, tables: Iterable[pa.Table]) -> int:
        """See `Form.bytes_of`: of the part, the document and the images."""
        return sum(
            2 * len(json.dumps(entry)) + sum(map(len, images.values()))
            for table in tables
            for entry, images in self._entries(builder, table, "train")
        )

    def _entries(
        self, builder: CxrBuilder, table: pa.Table, split: str
    ) -> Iterator[tuple[dict[str, Any], dict[str, bytes]]]:
        """Give the entry of each row that has one, and the images to write: path -> bytes."""
        split = SPLITS.get(split, split)
        rows = plain_rows(table, builder.info.features)
        shown = zip(own_images(table), earlier_images(table), strict=True)
        for row, (own, earlier) in zip(rows, shown, strict=True):
            text = self.texts.of(row)
            if text is None:
                continue
            paths = self.paths(row, builder)
            images: dict[str, bytes] = {}
            if self.written:
                _leave_out(row, [content is not None for content in own], builder)
                images = _called(paths, own)
                paths = list(images)
                before = _called(_prior_paths(row), earlier)
                row[PRIOR_PATHS] = list(before)
                images |= before
            if paths or builder.config.name == "reports":
                yield self.entry(row, text, paths, split, builder), images

    def paths(self, row: Mapping[str, Any], builder: CxrBuilder) -> list[str]:
        """Give the paths of a row's images, as its entry has them.

        Those in the release; of images that are written, without the folder that holds them all.
        """
        paths = listed(row, "path")
        return below_image_folder(paths, builder) if self.written else paths


def _put(folder: Folder, file: PlannedFile, path: str, content: bytes) -> tuple[str, int, str]:
    name = f"{file.name.partition('/')[0]}/{IMAGE_FOLDER}/{path}"
    folder.write(name, content)
    return name, len(content), hashlib.sha256(content).hexdigest()


def entries_in(lines: Iterable[bytes]) -> Iterator[tuple[bytes, Written]]:
    """Read a part: entries, as JSON, with the image files that were written for each."""
    for line in lines:
        entry, written = json.loads(line)
        yield json.dumps(entry, ensure_ascii=False).encode(), [tuple(one) for one in written]


def _called(paths: Iterable[str], contents: Iterable[bytes | None]) -> dict[str, bytes]:
    """Give the images that are there by their paths, which end in what their bytes are."""
    return {
        f"{path.rpartition('.')[0] or path}{suffix_of(content)}": content
        for path, content in zip(paths, contents, strict=True)
        if content is not None
    }


def _leave_out(row: dict[str, Any], there: list[bool], builder: CxrBuilder) -> None:
    """Leave out of a study what its row has of images that are missing."""
    for name in ("image_id", "view", builder.TASK_NAMES.view_words):
        if name and plural(name) in row:
            row[plural(name)] = list(compress(row[plural(name)], there))


def _prior_paths(row: Mapping[str, Any]) -> list[str]:
    return [f"{PRIOR_FOLDER}/{study}" for study in row.get("prior_study_ids") or ()]


def prior_columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a row has of earlier studies, if the option for them is on."""
    return {name: row[name] for name in _OF_PRIORS if name in row and "prior_study_ids" in row}


def below_image_folder(paths: Iterable[str], builder: CxrBuilder) -> list[str]:
    """Give paths in the release without the folder that task files take for granted."""
    return [path.removeprefix(builder.TASK_NAMES.image_folder) for path in paths]


def study_key(row: Mapping[str, Any], builder: CxrBuilder) -> str:
    """Give the name of a row's study, as task files of its dataset have it."""
    return builder.TASK_NAMES.study(row["study_id"], listed(row, "image_id"))
