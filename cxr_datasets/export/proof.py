"""Finished files are proven: their bytes are read again, and are those that were noted."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cxr_datasets.errors import ExportError
from cxr_datasets.export.files import Files
from cxr_datasets.export.folder import PRIVATE, Folder
from cxr_datasets.export.forms import Form, form_of_manifest
from cxr_datasets.export.forms.documents import wrong_documents, wrong_images
from cxr_datasets.export.line import Line
from cxr_datasets.export.manifest import Manifest, read_manifests
from cxr_datasets.export.progress import bar_of_bytes
from cxr_datasets.flags import check_flags
from cxr_datasets.storage import open_place
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.wording import get_logger, said

_logger = get_logger(__name__)

_LOCAL_THREADS = min(8, os.cpu_count() or 1)
_LOCAL_PIECE = 1 << 20

_REMOTE_THREADS = 2
_REMOTE_PIECE = 8 << 20
_PIECES_AT_ONCE = 4
"""Of each file; so at most 80 MB of a store's files are in memory."""

_NAMED = 10


@dataclass(frozen=True)
class VerifySummary:
    """What was checked of an export, all of which is as it was written.

    Attributes:
        out: Its folder or address.
        configs: Its configs.
        files: Number of finished files.
        bytes: Bytes of these files, all of which were read.
        unwritten: Number of files that the export has not written, or was not asked for.
    """

    out: str
    configs: tuple[str, ...]
    files: int
    bytes: int
    unwritten: int

    def __str__(self) -> str:
        left = f"; {self.unwritten:,} more are not written" if self.unwritten else ""
        return (
            f"{self.out}: {', '.join(self.configs)}, {self.bytes:,} bytes in {self.files:,} files "
            f"read, and all have the sha256 that was noted{left}"
        )


def verify(
    out: str | os.PathLike[str],
    *,
    out_options: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> VerifySummary:
    """Read every finished file of an export again, and compare its sha256 with what was noted.

    The release is not needed. Nothing is written.

    Args:
        out: The folder that `export` wrote, or its address.
        out_options: Options of its store, as its fsspec file system takes them.
        progress: Whether to show a progress bar.

    Returns:
        What was checked.

    Raises:
        ExportError: `out` holds no export; or a finished file is not there, or holds other bytes;
            or a Parquet file lies between them that is not of the export, and that whoever loads
            it would load too.
        StoreError: The store refuses a file, or failed again and again.
    """
    check_flags(progress=progress)
    folder = Folder(out, StorageOptions(out_options, os.fspath(out)))
    proof = prove(folder, progress)
    if proof.wrong or proof.foreign:
        raise _not_as_written(folder, len(proof.lines), proof.wrong, proof.foreign)
    return proof.summary(str(folder))


@dataclass(frozen=True)
class Proof:
    """What was found in the files of an export.

    Attributes:
        configs: Its configs.
        lines: What was noted of its finished files.
        wrong: Name of a file that is not as it was written -> what is wrong with it, as the rest of
            a sentence about it.
        foreign: Names of files that are not of it, and would be loaded with it.
        planned: Names of all its files, finished or not.
    """

    configs: tuple[str, ...]
    lines: tuple[Line, ...]
    wrong: Mapping[str, str]
    foreign: tuple[str, ...]
    planned: frozenset[str]

    def summary(self, out: str) -> VerifySummary:
        """Give the summary of an export in which nothing is wrong."""
        return VerifySummary(
            out=out,
            configs=self.configs,
            files=len(self.lines),
            bytes=sum(line.bytes for line in self.lines),
            unwritten=len(self.planned) - len(self.lines),
        )


def prove(folder: Files, progress: bool) -> Proof:
    """Read every finished file of an export, and compare it with what was noted.

    Args:
        folder: Its folder.
        progress: Whether to show a progress bar.

    Raises:
        ExportError, StoreError: As for `verify`, but for files that are wrong or foreign.
    """
    manifests = read_manifests(folder)
    if not manifests:
        raise ExportError(
            f"{folder} holds no export: in {PRIVATE}/ nothing is noted of one. Give the folder "
            "that `cxr export` wrote, with all that is in it."
        )
    lines = [line for manifest in manifests for line in manifest.lines.values()]
    wrong = wrong_files(folder, lines, progress)
    wrong |= _wrong_rows(folder, [line for line in lines if line.name not in wrong])
    wrong |= wrong_images(folder, [line for line in lines if line.name not in wrong])
    if not wrong:  # else the documents cannot be told
        for manifest in manifests:
            wrong |= wrong_documents(folder, manifest)
    planned = {name for manifest in manifests for name in _planned(manifest)}
    beyond = [name for manifest in manifests for name in files_beyond(folder, manifest)]
    wrong |= {name: "is not noted as finished" for name in beyond if name in planned}
    return Proof(
        configs=tuple(manifest.config for manifest in manifests),
        lines=tuple(lines),
        wrong=wrong,
        foreign=tuple(name for name in beyond if name not in planned),
        planned=frozenset(planned),
    )


def wrong_files(folder: Files, lines: Sequence[Line], progress: bool = False) -> dict[str, str]:
    """Find the finished files that are not as they were written. Several are read at once.

    Args:
        folder: The folder of the export.
        lines: What was noted of the files.
        progress: Whether to show a progress bar.

    Returns:
        Name of such a file -> what is wrong with it, as the rest of a sentence about it.

    Raises:
        ExportError, StoreError: A file may not be read, or the store failed again and again.
    """
    configs = {_split_name(line.name)[0] for line in lines}
    sizes = {config: dict(folder.entries(config)) for config in configs}
    bar = bar_of_bytes("verify", sum(line.bytes for line in lines), progress)
    reading = _Reading(folder, bar.update)
    threads = _LOCAL_THREADS if folder.is_local else _REMOTE_THREADS
    pool = ThreadPoolExecutor(threads, thread_name_prefix="cxr-verify")

    def fault(line: Line) -> str | None:
        config, name = _split_name(line.name)
        return reading.fault(line, sizes[config].get(name))

    with closing(bar):
        try:
            faults = dict(zip([line.name for line in lines], pool.map(fault, lines), strict=True))
        finally:
            reading.stop()
            pool.shutdown(cancel_futures=True)
    return {name: what for name, what in faults.items() if what}


def files_beyond(folder: Files, manifest: Manifest) -> list[str]:
    """List the files in a config's place that are not noted as finished, sorted.

    Whoever loads the export takes a file there for one of its own, if it is called as they are.
    """
    suffix = form_of_manifest(manifest.header).suffix
    return sorted(
        f"{manifest.config}/{name}"
        for name, _ in folder.entries(manifest.config)
        if name.endswith(suffix) and f"{manifest.config}/{name}" not in manifest.lines
    )


def tell_foreign(folder: Folder, manifest: Manifest) -> None:
    """Say in one line which files would be loaded with an export that are not of it."""
    planned = _planned(manifest)
    foreign = [name for name in files_beyond(folder, manifest) if name not in planned]
    form = form_of_manifest(manifest.header).told
    if foreign:
        _logger.warning(
            "%d %s files in %s are not of this export, such as %s: whoever loads it would load "
            "them too. Remove them.", len(foreign), form, folder, foreign[0],
        )  # fmt: skip


def drop_wrong(
    folder: Folder, manifest: Manifest, names: Iterable[str], progress: bool = False
) -> None:
    """Remove finished files that are not as they were written, so that they are written again.

    Args:
        folder: The folder of the export; locked.
        manifest: What it notes of its files. The wrong ones are taken out of it.
        names: Which of them to look at.
        progress: Whether to show a progress bar.

    Raises:
        ExportError, StoreError: A file may not be read or removed.
    """
    lines = [manifest.lines[name] for name in names if name in manifest.lines]
    wrong = wrong_files(folder, lines, progress)
    wrong |= wrong_images(folder, [line for line in lines if line.name not in wrong])
    if not wrong:
        return
    name, what = next(iter(wrong.items()))
    _logger.warning(
        "%d of %d finished files in %s are not as they were written and are written again, such as "
        "%s: it %s", len(wrong), len(lines), folder, name, what,
    )  # fmt: skip
    for name in wrong:
        folder.remove(name)  # or a run that is stopped now would leave it, to be taken for whole
        del manifest.lines[name]
    manifest.save(folder)


class _Reading:
    """Reads files of an export in several threads, until it is stopped."""

    def __init__(self, folder: Files, told: Callable[[int], object]):
        self._folder = folder
        self._told = told
        self._telling = threading.Lock()
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let the threads end."""
        self._stopped.set()

    def fault(self, line: Line, size: int | None) -> str | None:
        """Say what is wrong with a file; None if nothing is."""
        if size is None:
            return "is not there"
        if size < 0:
            return "is no file: a link or a folder is in its place"
        if size != line.bytes:
            return f"has {size:,} bytes, and {line.bytes:,} were written"
        pieces = self._local_pieces if self._folder.is_local else self._remote_pieces
        found = hashlib.sha256()
        try:
            for piece in pieces(line):
                if self._stopped.is_set():
                    return None
                found.update(piece)
                with self._telling:
                    self._told(len(piece))
        except FileNotFoundError:
            return "is not there"
        except OSError as error:  # of a disk: a store's are told by `StoreError`
            return f"cannot be read ({said(error)})"
        return None if found.hexdigest() == line.sha256 else "holds other bytes than were written"

    def _local_pieces(self, line: Line) -> Iterable[memoryview]:
        part = memoryview(bytearray(_LOCAL_PIECE))
        with self._folder.open(line.name) as file:
            while read := file.readinto(part):  # type: ignore[attr-defined]
                yield part[:read]

    def _remote_pieces(self, line: Line) -> Iterable[bytes]:
        place = open_place(self._folder.root, self._folder.options, _PIECES_AT_ONCE)
        pieces = place.pieces(line.name, 0, line.bytes, _REMOTE_PIECE)
        return (content for _, content in pieces)


def _wrong_rows(folder: Files, lines: Sequence[Line]) -> dict[str, str]:
    """Find the Parquet files whose footer tells another number of rows than was noted."""
    lines = [line for line in lines if line.name.endswith(Form.suffix)]
    with ThreadPoolExecutor(_REMOTE_THREADS) as pool:
        found = list(pool.map(lambda line: rows_of(folder, line.name), lines))
    return {
        line.name: f"has {rows:,} rows, and {line.rows:,} are noted"
        for line, rows in zip(lines, found, strict=True)
        if rows != line.rows
    }


def rows_of(folder: Files, name: str) -> int:
    """Count the rows of a Parquet file by its footer.

    Raises:
        ExportError: It is none, or cut off.
    """
    try:
        with folder.open(name) as file:
            return pq.read_metadata(pa.PythonFile(file, mode="r")).num_rows
    except pa.ArrowException:
        raise ExportError(f"{folder}/{name} is no whole Parquet file.") from None


def _planned(manifest: Manifest) -> set[str]:
    return {name for names in manifest.header["files"].values() for name in names}


def _split_name(name: str) -> tuple[str, str]:
    """Split the name of a file into that of its config and the rest."""
    config, _, rest = name.rpartition("/")
    return config, rest


def _not_as_written(
    folder: Folder, files: int, wrong: Mapping[str, str], foreign: Sequence[str]
) -> ExportError:
    found = {**wrong, **dict.fromkeys(foreign, "is not of it, and would be loaded with it")}
    named = [f"{name} {what}" for name, what in found.items()][:_NAMED]
    if len(found) > _NAMED:
        named.append(f"and {len(found) - _NAMED:,} more")
    steps = []
    if wrong:
        steps.append("run its `cxr export` command again with --verify, which writes them anew")
    if foreign:
        steps.append("remove what is not of it")
    more = f" and {len(foreign)} beyond them are not of it" if foreign else ""
    return ExportError(
        f"{folder} is not as the export wrote it: {len(wrong)} of {files} files are wrong{more}. "
        f"{'; '.join(named)}. {', and '.join(steps).capitalize()}."
    )
