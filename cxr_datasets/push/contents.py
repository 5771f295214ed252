"""Which files of a folder go to the Hub: those that a finished export wrote, and no others."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import DatasetCard

from cxr_datasets.errors import HubError
from cxr_datasets.export import card, croissant
from cxr_datasets.export.folder import PRIVATE, Folder
from cxr_datasets.export.forms import PARQUET, form_of_manifest
from cxr_datasets.export.manifest import (
    DamagedManifest,
    Manifest,
    manifest_hash,
    read_manifests,
)
from cxr_datasets.packages import builder_class

FILES_A_COMMIT = 25
"""Files in one commit; before each commit the repository is checked to be private."""

Rows = dict[str, dict[str, int]]
"""Config -> split -> number of rows."""


@dataclass(frozen=True)
class Stored:
    """What the Hub says about a file.

    Attributes:
        size: Its size in bytes.
        sha256: Hash of its bytes; None for small files, which are part of the git repository.
        oid: Git's name for its bytes; not that of its bytes if there is a sha256.
    """

    size: int
    sha256: str | None
    oid: str


@dataclass(frozen=True)
class File:
    """A file that is to be sent.

    Attributes:
        name: Its place in the folder and in the repository.
        size: Its size in bytes.
        sha256: Hash of its bytes; for data, as the export noted it.
        oid: Git's name for its bytes; None for data.
    """

    name: str
    size: int
    sha256: str
    oid: str | None = None

    @property
    def is_data(self) -> bool:
        """Whether it holds rows, unlike the card and what else stands beside them."""
        return self.oid is None

    def is_(self, stored: Stored | None) -> bool:
        """Whether a file on the Hub is known to hold the same bytes."""
        if stored is None:
            return False
        return self.sha256 == stored.sha256 if stored.sha256 else self.oid == stored.oid

    def is_not(self, stored: Stored | None) -> bool:
        """Whether a file on the Hub is known to hold other bytes, or is not there."""
        comparable = stored is not None and (stored.sha256 or self.oid)
        return (
            stored is None or stored.size != self.size or bool(comparable and not self.is_(stored))
        )


@dataclass(frozen=True)
class Contents:
    """A finished export on a disk of this machine.

    Attributes:
        folder: Its folder.
        dataset: Name of the dataset.
        agreement: Address of the agreement that everyone who gets the data must have signed; None
            if there is none.
        files: All files to send, the card first.
        rows: Number of rows of each split.
        manifests: Config -> sha256 of what the export noted of its files.
    """

    folder: Path
    dataset: str
    agreement: str | None
    files: tuple[File, ...]
    rows: Rows
    manifests: dict[str, str]

    @property
    def bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    def batches(self, present: Mapping[str, Stored]) -> list[list[File]]:
        """Divide the files that the repository lacks into commits.

        Args:
            present: Files of the repository by name.

        Returns:
            Files of each commit. Those beside the data come first, so that whoever sees the data
            sees the terms too.
        """
        left = [file for file in self.files if not file.is_(present.get(file.name))]
        beside = [file for file in left if not file.is_data]
        data = [file for file in left if file.is_data]
        parts = [data[at : at + FILES_A_COMMIT] for at in range(0, len(data), FILES_A_COMMIT)]
        return [beside, *parts] if beside else parts


def read_contents(folder: str | os.PathLike[str]) -> Contents:
    """Find out what an export wrote, without asking the Hub.

    Args:
        folder: The `out` of one export, or of several one after another.

    Raises:
        HubError: The folder is not on a disk of this machine, holds no export or an unfinished
            one, or was changed since.
        ExportError: A link is in the place of a file or folder of it.
    """
    out = Folder(folder)
    if not out.is_local:
        raise HubError(
            f"{out} is not a folder on a disk of this machine, and the Hub's client sends no other "
            "files. Copy it to a disk, or export to one."
        )
    manifests = _read_manifests(out)
    rows = {manifest.config: _rows(manifest) for manifest in manifests}
    _check_finished(out, manifests, rows)
    dataset = manifests[0].header["identity"]["dataset"]
    beside = (card.CARD, croissant.CROISSANT, *(card.skipped_name(name) for name in rows))
    there = out.names()
    return Contents(
        folder=Path(out.root),
        dataset=dataset,
        agreement=builder_class(dataset).AGREEMENT,
        files=(
            *(_beside(out, name) for name in beside if name in there),
            *(
                File(line.name, line.bytes, line.sha256)
                for manifest in manifests
                for split in rows[manifest.config]
                for line in manifest.lines_of(split)
            ),
        ),
        rows=rows,
        manifests={config: manifest_hash(out, config) for config in rows},
    )


def _beside(out: Folder, name: str) -> File:
    content = out.read(name) or b""
    named = b"blob %d\0" % len(content) + content
    git = hashlib.sha1(named, usedforsecurity=False)  # git's name for these bytes
    return File(name, len(content), hashlib.sha256(content).hexdigest(), git.hexdigest())


def _read_manifests(out: Folder) -> list[Manifest]:
    try:
        manifests = read_manifests(out)
    except DamagedManifest as error:
        raise HubError(str(error)) from None
    if not manifests:
        raise HubError(
            f"{out} holds no export: expected {card.CARD}, Parquet files, and in {PRIVATE}/ what "
            "`cxr export` notes of them. Give the folder that it wrote, with all that is in it."
        )
    for manifest in manifests:
        if (form := form_of_manifest(manifest.header)).name != PARQUET:
            raise HubError(
                f"{out} holds config {manifest.config} as {form.name}; only Parquet can be sent. "
                "Export without --as into another folder, and send that."
            )
    return manifests


def _rows(manifest: Manifest) -> dict[str, int]:
    """Count the rows of the splits that are finished."""
    return {
        split: sum(line.rows for line in manifest.lines_of(split))
        for split in manifest.header["files"]
        if manifest.is_complete(split)
    }


def _check_finished(out: Folder, manifests: Sequence[Manifest], rows: Rows) -> None:
    """Require every file of every split that the card names.

    Raises:
        HubError: A file is not there, or was changed.
    """
    described = _described(out)
    missing = [name for manifest in manifests for name in _missing(manifest, described)]
    if missing:
        raise HubError(
            f"The export in {out} is not finished: {_some(missing)} not written. Run its "
            "`cxr export` command again, which goes on with them, and then push."
        )
    if described != {config: splits for config, splits in rows.items() if splits}:
        raise HubError(
            f"{out}/{card.CARD} says {_told(described or {})}, but the export wrote "
            f"{_told(rows)}. Run its `cxr export` command again, which writes the card anew."
        )
    for manifest in manifests:
        sizes = out.sizes(manifest.config)
        for line in manifest.lines.values():
            found = sizes.get(line.name.rpartition("/")[2])
            if found != line.bytes:
                raise HubError(
                    f"{out}/{line.name} was changed since it was exported: {line.bytes:,} bytes "
                    f"then, {'not there' if found is None else f'{found:,} bytes'} now. Run its "
                    "`cxr export` command again, which writes it anew."
                )


def _missing(manifest: Manifest, described: Rows | None) -> list[str]:
    """List the unfinished files of the splits that were begun or that the card names.

    The card is written last. If it lacks a split that is finished, the export was stopped, and any
    unfinished file may have been asked for.
    """
    files: dict[str, list[str]] = manifest.header["files"]
    told = None if described is None else described.get(manifest.config, {})
    stopped = told is None or any(split not in told for split in _rows(manifest))
    return [
        name
        for split, names in files.items()
        if stopped or split in (told or {}) or any(name in manifest.lines for name in names)
        for name in names
        if name not in manifest.lines
    ] or ([card.CARD] if described is None else [])


def _described(out: Folder) -> Rows | None:
    """Read from the card how many rows each split has; None if there is no card."""
    content = out.read(card.CARD)
    if content is None:
        return None
    try:
        head: dict[str, Any] = DatasetCard(content.decode("utf-8")).data.to_dict()
        infos = head.get("dataset_info", [])
        return {
            info["config_name"]: {split["name"]: split["num_examples"] for split in info["splits"]}
            for info in (infos if isinstance(infos, list) else [infos])
        }
    except (ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise HubError(
            f"{out}/{card.CARD} is not as the export wrote it: its front matter cannot be read "
            f"({type(error).__name__}). Run its `cxr export` command again, which writes it anew."
        ) from None


def _some(names: Sequence[str]) -> str:
    listed = ", ".join(names[:3])
    if len(names) <= 3:
        return f"{listed} {'is' if len(names) == 1 else 'are'}"
    return f"{listed} and {len(names) - 3:,} more are"


def _told(rows: Mapping[str, Mapping[str, int]]) -> str:
    return ", ".join(
        f"{config}/{split} of {count:,} rows"
        for config, splits in rows.items()
        for split, count in splits.items()
    ) or "nothing"  # fmt: skip
