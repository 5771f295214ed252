"""Tar shards as the package `webdataset` reads them: the files of a sample share a name."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from cxr_datasets.builder.builder import CxrBuilder
from cxr_datasets.export.folder import Folder
from cxr_datasets.export.forms.form import Counts, Form
from cxr_datasets.export.forms.rows import earlier_images, own_images, plain_rows, suffix_of
from cxr_datasets.export.forms.texts import Texts
from cxr_datasets.export.line import Line
from cxr_datasets.export.plan import PlannedFile
from cxr_datasets.storage.ahead import one_ahead

WEBDATASET = "webdataset"

_BLOCK = 512


@dataclass(frozen=True)
class WebDataset(Form):
    """A sample a row: its images, `json` with all other columns, and `txt` with its target text.

    The bytes of a shard depend on its rows and nothing else: no time and no owner is in it.
    """

    texts: Texts

    name = WEBDATASET
    told = "WebDataset"
    suffix = ".tar"

    def identity(self) -> dict[str, Any]:
        """See `Form.identity`."""
        return {"as": self.name, **self.texts.identity()}

    def check(self, builder: CxrBuilder) -> None:
        """See `Form.check`."""
        self.texts.check(builder)

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
        rows = memory = 0
        with folder.writing(file.name) as sink:
            with (
                folder.explaining(file.name, "written"),
                tarfile.open(fileobj=sink.stream, mode="w|", format=tarfile.USTAR_FORMAT) as shard,
            ):
                for table in one_ahead(tables):
                    for name, content in self._members(builder, table):
                        shard.addfile(_member(name, content), io.BytesIO(content))
                    sink.advance()
                    rows, memory = rows + len(table), memory + table.nbytes
            notes = {"memory": memory, **counts()}
            sha256 = sink.finish()
        return Line(name=file.name, rows=rows, bytes=sink.bytes, sha256=sha256, **notes)

    def bytes_of(self, builder: CxrBuilder, tables: Iterable[pa.Table]) -> int:
        """See `Form.bytes_of`."""
        return tarfile.RECORDSIZE + sum(
            _BLOCK + -(-len(content) // _BLOCK) * _BLOCK
            for table in tables
            for _, content in self._members(builder, table)
        )

    def _members(self, builder: CxrBuilder, table: pa.Table) -> Iterator[tuple[str, bytes]]:
        """Give the files of each row; one name has at most one dot before what it is."""
        rows = plain_rows(table, builder.info.features)
        shown = zip(own_images(table), earlier_images(table), strict=True)
        for row, (images, earlier) in zip(rows, shown, strict=True):
            key = str(row.get("image_id", row["study_id"])).replace(".", "_")
            for at, image in enumerate(images):
                if image is not None:
                    number = "" if "image_id" in row else f".{at}"
                    yield f"{key}{number}{suffix_of(image)}", image
            for at, image in enumerate(earlier):
                if image is not None:
                    yield f"{key}.prior.{at}{suffix_of(image)}", image
            yield f"{key}.json", json.dumps(row, ensure_ascii=False, allow_nan=False).encode()
            text = self.texts.of(row)
            if text is not None:
                yield f"{key}.txt", text.encode()


def _member(name: str, content: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o440
    return member
