"""Which files of an export are finished, so that it can go on after any kind of stop.

A manifest is a file of JSON lines: first a header that says what is exported, then a line for each
finished file. Only the process that coordinates an export writes it. What is damaged in it is made
anew from the files themselves, which say what export they belong to.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cxr_datasets.errors import ExportError
from cxr_datasets.export import notes
from cxr_datasets.export.folder import PRIVATE, Folder
from cxr_datasets.export.identity import PRESENT, differences, identity_key
from cxr_datasets.export.plan import PlannedFile
from cxr_datasets.wording import get_logger

NOTE = b"cxr_export"
"""Name of the metadata in a Parquet file that says which export the file belongs to."""

_logger = get_logger(__name__)

_SUFFIX = ".jsonl"

_READ_AT_ONCE = 1 << 24

_NOT_STRANGE = (PRIVATE, "lost+found", ".DS_Store")
"""What an empty folder may hold: our own, and what a new disk and the window of a Mac bring."""


@dataclass(frozen=True)
class Line:
    """A finished file.

    Attributes:
        name: Its place in the folder.
        rows: Rows in it.
        bytes: Its size on disk.
        memory: Bytes that its rows take in memory; `datasets` calls them `num_bytes`.
        sha256: Hash of its bytes, in hexadecimal digits.
        skipped: Ids of the images left out of it, with `missing="skip"` or `damaged="skip"`.
        absent: Images of it that were looked for and are not there.
        damaged: Images of it that are damaged.
    """

    name: str
    rows: int
    bytes: int
    memory: int
    sha256: str
    skipped: list[str] = field(default_factory=list)
    absent: int = 0
    damaged: int = 0


@dataclass
class Manifest:
    """The state of one config's export.

    Attributes:
        config: The config.
        header: `identity`, `files` of each split, and what the card says beyond them.
        lines: Finished files, by name.
    """

    config: str
    header: dict[str, Any]
    lines: dict[str, Line]

    @property
    def name(self) -> str:
        """Its place in the folder."""
        return manifest_name(self.config)

    def is_complete(self, split: str) -> bool:
        """Whether every file of a split is finished."""
        return all(name in self.lines for name in self.header["files"][split])

    def lines_of(self, split: str) -> list[Line]:
        """List the finished files of a split, in order."""
        return [self.lines[name] for name in self.header["files"][split] if name in self.lines]

    def save(self, folder: Folder) -> None:
        """Write the whole manifest, with its lines in the order of the files."""
        folder.write(self.name, b"".join(map(notes.encoded, [self.header, *self._records()])))

    def add(self, folder: Folder, line: Line) -> None:
        """Note a finished file."""
        self.lines[line.name] = line
        if folder.is_local:
            folder.append(self.name, notes.encoded(asdict(line)))
        else:
            self.save(folder)  # stores cannot append

    def _records(self) -> Iterable[dict[str, Any]]:
        names = (name for files in self.header["files"].values() for name in files)
        return (asdict(self.lines[name]) for name in names if name in self.lines)


def manifest_name(config: str) -> str:
    """Return the place of a config's manifest in the folder."""
    return f"{PRIVATE}/{config}{_SUFFIX}"


def read_manifest(folder: Folder, config: str) -> Manifest | None:
    """Read the manifest of a config; None if there is none.

    A file whose line is damaged counts as not noted.

    Raises:
        DamagedManifest: Its header is damaged.
    """
    content = folder.read(manifest_name(config))
    if content is None:
        return None
    # A process that was killed while it wrote leaves a last line without its end.
    first, *rest = content.split(b"\n")
    try:
        header = notes.decoded(first)
    except ValueError:
        raise DamagedManifest.of(f"{folder}/{manifest_name(config)}", config) from None
    lines: dict[str, Line] = {}
    for text in rest[:-1]:
        with suppress(ValueError, TypeError):
            line = Line(**notes.decoded(text))
            lines[line.name] = line
    return Manifest(config, header, lines)


class DamagedManifest(ExportError):
    """What an export noted of itself was cut or changed."""

    @classmethod
    def of(cls, address: str, config: str) -> DamagedManifest:
        """Build the error for the manifest of a config."""
        return cls(
            f"{address} was cut or changed since an export wrote it. Run the `cxr export` command "
            f"of config {config} again: it makes it anew."
        )


def configs_in(folder: Folder) -> list[str]:
    """The configs that have a manifest in a folder, sorted."""
    names = folder.names(PRIVATE)  # what is no file is told when it is read
    return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))


def read_manifests(folder: Folder) -> list[Manifest]:
    """Read the manifests of all configs in a folder.

    Raises:
        DamagedManifest: The header of one is damaged.
    """
    found = (read_manifest(folder, config) for config in configs_in(folder))
    return [manifest for manifest in found if manifest]


def open_manifest(
    folder: Folder, header: dict[str, Any], planned: Iterable[PlannedFile], adopt: bool = True
) -> Manifest:
    """Find out which files of an export are finished, and write its manifest.

    Args:
        folder: The folder of the export; locked.
        header: Header of the manifest.
        planned: All files of the export.
        adopt: Whether to take files for finished that say they are of this export and are not
            noted. What nothing is noted of cannot be proven.

    Returns:
        The manifest, with the files that are there and have the size they had.

    Raises:
        ExportError: The folder holds something else, or an export of other bytes.
    """
    identity = header["identity"]
    _check_others(folder, identity)
    folder.remove_unfinished()
    manifest = _read_own(folder, header)
    if manifest is None:
        manifest = Manifest(identity["config"], header, {})
    elif changed := differences(manifest.header["identity"], identity):
        raise _other_export(folder, changed)
    sizes = folder.sizes(identity["config"])
    found = {}
    for file in planned:
        size = sizes.get(file.name.rpartition("/")[2])
        line = manifest.lines.get(file.name)
        if line is None and size is not None and adopt:
            line = _adopted(folder, file.name, size, identity_key(identity))
        if line is not None and line.bytes == size:
            found[file.name] = line
    _tell_lost(folder, manifest.lines, found)
    manifest = Manifest(identity["config"], header, found)
    manifest.save(folder)
    return manifest


def _tell_lost(folder: Folder, noted: Mapping[str, Line], found: Mapping[str, Line]) -> None:
    lost = [name for name in noted if name not in found]
    if lost:
        _logger.warning(
            "%d of %d finished files in %s are gone or have another size, such as %s: they count "
            "as not written", len(lost), len(noted), folder, lost[0],
        )  # fmt: skip


def _read_own(folder: Folder, header: Mapping[str, Any]) -> Manifest | None:
    """Read the manifest of this export; None if there is none, or it must be made anew.

    Raises:
        ExportError: It is damaged, and there are files of another export.
    """
    identity = header["identity"]
    try:
        return read_manifest(folder, identity["config"])
    except DamagedManifest as error:
        key = identity_key(identity)
        for name in sorted(folder.sizes(identity["config"])):
            noted = _notes_in(folder, f"{identity['config']}/{name}")
            if noted and noted.get("key") != key:
                raise ExportError(
                    f"{error} But {name} is of an export with other options or of another "
                    "release: use the same again, or another folder, or remove this one."
                ) from None
        _logger.warning("%s is damaged and made anew", manifest_name(identity["config"]))
        return None


def _check_others(folder: Folder, identity: Mapping[str, Any]) -> None:
    """Require that a folder is empty or holds exports of the same release."""
    configs = configs_in(folder)
    strangers = [name for name in folder.names() if name not in _NOT_STRANGE]
    if strangers and not configs:
        raise ExportError(
            f"{folder} is not empty (it holds {', '.join(strangers[:3])}), and no export began it. "
            "Give an empty folder, or one that is not there yet."
        )
    for config in configs:
        other = None if config == identity["config"] else read_manifest(folder, config)
        if other is None:
            continue
        theirs = other.header["identity"]
        if changed := differences(_tables_only(theirs), _tables_only(identity)):
            raise _other_export(folder, changed)


def _tables_only(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an identity that all configs in one folder must share."""
    files = {name: stamp for name, stamp in identity["release"].items() if name != PRESENT}
    return {"dataset": identity["dataset"], "release": files}


def _other_export(folder: Folder, changed: list[str]) -> ExportError:
    return ExportError(
        f"{folder} holds an export of something else. {'; '.join(changed)}. Use the same "
        "release and options, or another folder, or remove this one to write it anew."
    )


def _adopted(folder: Folder, name: str, size: int, key: str) -> Line | None:
    """Return the line of a file that was finished, but not noted when its export was stopped."""
    try:
        with folder.open(name) as file:
            metadata = pq.read_metadata(pa.PythonFile(file, mode="r"))
            noted = _noted(metadata)
            if noted.get("key") != key:
                return None
            file.seek(0)
            sha256 = hashlib.sha256()
            while piece := file.read(_READ_AT_ONCE):
                sha256.update(piece)
    except (pa.ArrowException, OSError, ValueError):
        return None
    del noted["key"]
    return Line(name=name, rows=metadata.num_rows, bytes=size, sha256=sha256.hexdigest(), **noted)


def _notes_in(folder: Folder, name: str) -> dict[str, Any]:
    """What a Parquet file says of its export; empty if it is not there, or not whole."""
    try:
        with folder.open(name) as file:
            return _noted(pq.read_metadata(pa.PythonFile(file, mode="r")))
    except (pa.ArrowException, OSError, ValueError):
        return {}


def _noted(metadata: Any) -> dict[str, Any]:
    return json.loads((metadata.metadata or {}).get(NOTE, b"{}"))
