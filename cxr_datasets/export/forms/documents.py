"""The documents of a task, put together from the finished parts, and whether they still fit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from cxr_datasets.export.card import finished_splits
from cxr_datasets.export.files import Files
from cxr_datasets.export.folder import Folder
from cxr_datasets.export.forms.choose import form_of_manifest
from cxr_datasets.export.forms.task import PART, Task, entries_in
from cxr_datasets.export.line import Line
from cxr_datasets.export.manifest import Manifest

_READ_AT_ONCE = 1 << 20


def write_documents(folder: Folder, manifest: Manifest) -> None:
    """Write the documents of the finished splits, if the form has any."""
    for name, pieces in _documents(folder, manifest):
        with folder.writing(name) as sink:
            for piece in pieces:
                sink.stream.write(piece)


def wrong_documents(folder: Files, manifest: Manifest) -> dict[str, str]:
    """Find the documents that are not what the parts make: name -> what is wrong with it."""
    wrong = {}
    for name, pieces in _documents(folder, manifest):
        expected = hashlib.sha256()
        for piece in pieces:
            expected.update(piece)
        found = _sha256(folder, name)
        if found is None:
            wrong[name] = "is not there"
        elif found != expected.hexdigest():
            wrong[name] = "holds other bytes than were written"
    return wrong


def wrong_images(folder: Files, lines: Sequence[Line]) -> dict[str, str]:
    """Find the image files that are not as they were written: name of their part -> what is."""
    wrong: dict[str, str] = {}
    for line in lines:
        if not line.name.endswith(PART):
            continue
        for _, written in entries_in(_lines(folder, line.name)):
            for name, _, sha256 in written:
                found = _sha256(folder, name)
                if found != sha256 and line.name not in wrong:
                    what = "is not there" if found is None else "holds other bytes"
                    wrong[line.name] = f"is of image files of which {name} {what}"
    return wrong


def _documents(folder: Files, manifest: Manifest) -> Iterator[tuple[str, Iterator[bytes]]]:
    kind = form_of_manifest(manifest.header)
    splits = finished_splits(manifest)
    if not issubclass(kind, Task) or not splits:
        return
    parts = {split: _entries(folder, manifest, split) for split in splits}
    for name, pieces in kind.documents(parts).items():
        yield f"{manifest.config}/{name}", pieces


def _entries(folder: Files, manifest: Manifest, split: str) -> Iterator[bytes]:
    for line in manifest.lines_of(split):
        for entry, _ in entries_in(_lines(folder, line.name)):
            yield entry


def _lines(folder: Files, name: str) -> Iterator[bytes]:
    with folder.open(name) as file:
        yield from file


def _sha256(folder: Files, name: str) -> str | None:
    found = hashlib.sha256()
    try:
        with folder.open(name) as file:
            while piece := file.read(_READ_AT_ONCE):
                found.update(piece)
    except FileNotFoundError:
        return None
    return found.hexdigest()
