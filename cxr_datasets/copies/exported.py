"""An export, or a copy of one that was pushed: its manifest, its rows, the sha256 of its files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import yaml
from huggingface_hub import DatasetCard

from cxr_datasets.copies.findings import Findings
from cxr_datasets.copies.recognise import Place
from cxr_datasets.copies.summary import FileCounts, Verified
from cxr_datasets.errors import ExportError
from cxr_datasets.export import proof
from cxr_datasets.export.card import CARD
from cxr_datasets.export.files import Files
from cxr_datasets.export.folder import Folder
from cxr_datasets.export.manifest import manifest_hash
from cxr_datasets.export.progress import bar_of_bytes
from cxr_datasets.storage import LocalFolder, Source
from cxr_datasets.storage.filesystems import open_files, place_in

_PIECE = 8 << 20
_NOT_THERE = -1


class _ReadOnly:
    """The files of an export in a place that is only read, such as the Hub, as `Files`."""

    is_local = False

    def __init__(self, source: Source):
        self.root, self.options = source.root, source.options
        self._source = source

    def __str__(self) -> str:
        return self._source.shown()

    def entries(self, folder: str) -> list[tuple[str, int]]:
        names = self.names(folder)
        sizes = self._source.few_sizes([f"{folder}/{name}" if folder else name for name in names])
        found = (_NOT_THERE if size is None else size for size in sizes)
        return list(zip(names, found, strict=True))

    def names(self, folder: str = "") -> list[str]:
        return self._source.names(folder)

    def open(self, name: str) -> BinaryIO:
        files, root = open_files(self.root, self.options, own=True)
        return files.open(place_in(root, name), "rb")

    def read(self, name: str) -> bytes | None:
        try:
            return self._source.read(name)
        except FileNotFoundError:
            return None


def verify_export(place: Place, findings: Findings, progress: bool) -> Verified:
    """Find out whether an export is as it was written.

    Args:
        place: The export.
        findings: Takes what is wrong.
        progress: Whether to show a progress bar.

    Raises:
        ExportError: What it noted of itself was changed; or a file may not be read.
        StoreError: A store refuses a file, or failed again and again.
    """
    source = place.source
    files: Files = (
        Folder(source.root, source.options) if _is_writable(source) else _ReadOnly(source)
    )
    counts = _pushed(place, files, findings, progress) if place.pushed else _noted(
        files, findings, progress
    )  # fmt: skip
    noted = () if place.pushed else place.configs
    manifests = {config: manifest_hash(files, config) for config in noted}
    return Verified(place, findings, files=counts, manifests=manifests)


def _is_writable(source: Source) -> bool:
    return isinstance(source, LocalFolder)


# --- with its manifests ---------------------------------------------------------------------------


def _noted(files: Files, findings: Findings, progress: bool) -> FileCounts:
    """Compare each finished file with what was noted of it."""
    found = proof.prove(files, progress)
    for name, what in found.wrong.items():
        findings.add("wrong_file", path=name, expected="as it was written", found=what)
    for name in found.foreign:
        findings.add("foreign_file", path=name, expected="no file beside those of the export",
                     found="would be loaded with them")  # fmt: skip
    names = {line.name for line in found.lines}
    return FileCounts(
        files=len(found.lines),
        bytes=sum(line.bytes for line in found.lines),
        rows=sum(line.rows for line in found.lines),
        unwritten=len(found.planned) - len(found.lines),
        proven=len(names - set(found.wrong)),
    )


# --- pushed ---------------------------------------------------------------------------------------


def _pushed(place: Place, files: Files, findings: Findings, progress: bool) -> FileCounts:
    """Compare the rows with the card; on the Hub also the bytes with the sha256 that it keeps."""
    expected = _rows_of_card(files, place)
    names = [
        (f"{config}/{name}", size)
        for config in place.configs
        for name, size in files.entries(config)
        if name.endswith(".parquet")
    ]
    sums = _kept_sums(files, [name for name, _ in names])
    rows: dict[tuple[str, str], int] = {}
    proven, in_all = 0, 0
    bar = bar_of_bytes("verify", sum(max(0, size) for _, size in names), progress)
    for name, size in names:
        config, _, file = name.partition("/")
        split = file.partition("-")[0]
        try:
            count = proof.rows_of(files, name)
        except ExportError as error:
            findings.add("wrong_file", path=name, expected="a Parquet file", found=error.args[0])
            continue
        rows[config, split] = rows.get((config, split), 0) + count
        in_all += count
        if name in sums:
            proven += _is_proven(place.source, name, size, sums[name], findings)
        bar.update(max(0, size))
    bar.close()
    for (config, split), count in {**dict.fromkeys(expected, 0), **rows}.items():
        wanted = expected.get((config, split))
        if wanted != count:
            findings.add(
                "other_rows", path=f"{config}/{split}", found=f"{count} rows",
                expected="no such split" if wanted is None else f"{wanted} rows",
            )  # fmt: skip
    sizes = sum(max(0, size) for _, size in names)
    return FileCounts(len(names), sizes, in_all, 0, proven)


def _is_proven(source: Source, name: str, size: int, sha256: str, findings: Findings) -> bool:
    digest = hashlib.sha256()
    for piece in _pieces(source, name, size):
        digest.update(piece)
    if digest.hexdigest() == sha256:
        return True
    findings.add("wrong_checksum", path=name, expected=sha256, found=digest.hexdigest())
    return False


def _pieces(source: Source, name: str, size: int) -> Iterator[bytes]:
    return (content for _, content in source.pieces(name, 0, size, _PIECE))


def _kept_sums(files: Files, names: list[str]) -> dict[str, str]:
    """The sha256 of files as the Hub keeps it; empty elsewhere."""
    if not files.root.startswith("hf://"):
        return {}
    opened, root = open_files(files.root, files.options, own=True)
    found = {name: opened.info(place_in(root, name)).get("lfs") for name in names}
    return {name: _sha256(kept) for name, kept in found.items() if kept}


def _sha256(kept: Any) -> str:
    return kept["sha256"] if isinstance(kept, Mapping) else kept.sha256


def _rows_of_card(files: Files, place: Place) -> dict[tuple[str, str], int]:
    """Read from the card how many rows each split of each config has.

    Raises:
        ExportError: It is not there, or was changed.
    """
    content = files.read(CARD)
    try:
        infos = DatasetCard((content or b"").decode("utf-8")).data.to_dict()["dataset_info"]
        return {
            (info["config_name"], split["name"]): int(split["num_examples"])
            for info in (infos if isinstance(infos, list) else [infos])
            for split in info["splits"]
        }
    except (ValueError, KeyError, TypeError, yaml.YAMLError):
        raise ExportError(
            f"{place.source.shown(CARD)} is not there, or not as the export wrote it: expected a "
            "card that gives the rows of each split. Fetch or push the copy again."
        ) from None
