"""Which files of an export are finished, so that it can go on after any kind of stop.

A manifest is a file of JSON lines: first a header that says what is exported, then a line for each
finished file. Only the process that coordinates an export writes it. What is damaged in it is made
anew from the files themselves, which say what export they belong to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from cxr_datasets.errors import ExportError
from cxr_datasets.export import notes
from cxr_datasets.export.files import Files
from cxr_datasets.export.folder import PRIVATE, Folder
from cxr_datasets.export.identity import PRESENT, differences, identity_key
from cxr_datasets.export.line import Line, adopted, notes_in
from cxr_datasets.export.plan import PlannedFile
from cxr_datasets.wording import get_logger

_logger = get_logger(__name__)

_SUFFIX = ".jsonl"

_NOT_STRANGE = (PRIVATE, "lost+found", ".DS_Store")
"""What an empty folder may hold: our own, and what a new disk and the window of a Mac bring."""


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


def manifest_hash(folder: Files, config: str) -> str:
    """Give the sha256 of a config's manifest as it is in the folder, in hexadecimal digits."""
    return hashlib.sha256(folder.read(manifest_name(config)) or b"").hexdigest()


def read_manifest(folder: Files, config: str) -> Manifest | None:
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


def configs_in(folder: Files) -> list[str]:
    """The configs that have a manifest in a folder, sorted."""
    names = folder.names(PRIVATE)  # what is no file is told when it is read
    return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))


def read_manifests(folder: Files) -> list[Manifest]:
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
    found = finished_files(folder, header, planned, adopt)
    folder.remove_unfinished()
    manifest = Manifest(header["identity"]["config"], header, found)
    manifest.save(folder)
    return manifest


def finished_files(
    folder: Folder, header: dict[str, Any], planned: Iterable[PlannedFile], adopt: bool = True
) -> dict[str, Line]:
    """Find out which files of an export are finished, as `open_manifest` does; write nothing.

    Raises:
        ExportError: The folder holds something else, or an export of other bytes.
    """
    identity = header["identity"]
    _check_others(folder, identity)
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
            line = adopted(folder, file.name, size, identity_key(identity))
        if line is not None and line.bytes == size:
            found[file.name] = line
    _tell_lost(folder, manifest.lines, found)
    return found


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
            noted = notes_in(folder, f"{identity['config']}/{name}")
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
