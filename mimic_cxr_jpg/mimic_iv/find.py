"""Where MIMIC-IV is, and which of its tables are there."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable
from itertools import product

from cxr_datasets.builder.nearby import release_below
from cxr_datasets.builder.release import not_this_dataset, open_source
from cxr_datasets.errors import OptionError, StoreError, TableError
from cxr_datasets.storage.addresses import WEB, check_open, cut, protocol
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.source import EMPTY, Source
from cxr_datasets.wording import get_logger
from mimic_cxr_jpg.mimic_iv.columns import OPTION
from mimic_cxr_jpg.mimic_iv.link import MimicIv
from mimic_cxr_jpg.mimic_iv.tables import File

DATASET = "MIMIC-IV"
HOMEPAGE = "https://physionet.org/content/mimiciv/"

VERSIONS = ("3.1", "3.0", "2.2", "2.1", "2.0", "1.0")
_FOLDERS = {
    # Releases before 2.0 have the folder core.
    "patients": ("hosp", "core", ""),
    "admissions": ("hosp", "core", ""),
    "icustays": ("icu", ""),
    "edstays": ("ed", ""),
}
"""Table -> the folders that it may be in, its own one first."""

_INSIDE = {folder for folders in _FOLDERS.values() for folder in folders if folder}
_SUFFIXES = (".gz", "")
_REQUIRED = ("patients", "admissions")
_PROJECTS = ("", "mimiciv/", "files/mimiciv/", "physionet.org/files/mimiciv/")
_ED_PLACES = (
    *(f"../../mimic-iv-ed/{version}" for version in ("2.2", "2.0", "1.0")),
    *(f"../mimic-iv-ed-{version}" for version in ("2.2", "2.0", "1.0")),
)
"""Where the project MIMIC-IV-ED may lie from a version of MIMIC-IV: as wget leaves both, and as
their archives unpack."""

_logger = get_logger(__name__)


def checked_address(address: str | os.PathLike[str]) -> str:
    """Check what was given as the option.

    Raises:
        OptionError: It is no address, is empty, or holds a secret.
    """
    check_open(OPTION, address)
    if not os.fspath(address):
        raise OptionError(f"{OPTION} is empty. Give the folder that holds hosp/ and icu/.")
    return os.fspath(address)


def open_mimic_iv(
    address: str,
    options: StorageOptions | None = None,
    connections: int | None = None,
) -> MimicIv:
    """Recognise a copy of MIMIC-IV and look for its tables; none is read yet.

    Args:
        address: The folder that holds `hosp/` and `icu/`, one above or below it, or a zip.
        options: Storage options of the store.
        connections: Most requests at once to a remote store.

    Raises:
        ReleaseError: There is no such folder, or it is no copy of MIMIC-IV.
        StoreError: A remote store refuses a table.
        TableError: A table is not there.
    """
    given = open_source(address, DATASET, HOMEPAGE, options, connections, OPTION)
    source = _recognised(given)
    files = _found(source, _FOLDERS)
    for table in _REQUIRED:
        if table not in files:
            source.check_permitted(_usual(table))
            raise TableError(
                f"{source.shown()} has no {_usual(table)} (nor without .gz). Fetch it from "
                f"{HOMEPAGE} and put it beside the other tables."
            )
    _say_without_stays(source, files)
    refusal = ""
    if "edstays" not in files:
        refusal = _add_ed(source, files)
    return MimicIv(files, refusal)


def _recognised(given: Source) -> Source:
    """Give the folder that holds the tables: the one given, one below, or the one above.

    Raises:
        ReleaseError: It is none of them.
    """
    is_inside = posixpath.basename(cut(given.root)[0]) in _INSIDE
    for place in [given.folder(".."), given] if is_inside else [given]:
        if _is_root(place):
            return place
    given.check_permitted(_usual("patients"))
    known = [f"{project}{version}" for project, version in product(_PROJECTS, VERSIONS)]
    known += [f"mimic-iv-{version}" for version in VERSIONS]
    below = release_below(given, _is_root, known)
    if below is None:
        raise not_this_dataset(given, DATASET, _usual("patients"), _hint(given), OPTION)
    _logger.warning("%s=%s: the tables are read from %s", OPTION, given.shown(), below.shown())
    return below


def _is_root(place: Source) -> bool:
    return "patients" in _found(place, ["patients"])


def _hint(source: Source) -> str:
    names = set(source.some_names())
    if any(name.startswith(("PATIENTS.csv", "ADMISSIONS.csv")) for name in names):
        return (
            "This is MIMIC-III, whose ids are of other patients. Pass a copy of MIMIC-IV; to get "
            f"one, see {HOMEPAGE}."
        )
    if {"ed", "edstays.csv.gz", "edstays.csv"} & names and not {"hosp", "icu"} & names:
        return (
            "This is MIMIC-IV-ED. Pass a copy of MIMIC-IV, and put the folder ed/ beside its hosp/."
        )
    return f"Pass the folder that holds hosp/ and icu/; to get it, see {HOMEPAGE}."


# --- tables ---------------------------------------------------------------------------------------


def _found(source: Source, tables: Iterable[str]) -> dict[str, File]:
    """Find tables: first under their usual name, as over a network each look takes time.

    An empty file is an unfinished download and counts only where there is no other.
    """
    tables = list(tables)
    found = _there(source, [(table, _usual(table)) for table in tables])
    lacking = [table for table in tables if table not in found or found[table][1] == EMPTY]
    found |= _there(source, [(table, path) for table in lacking for path in _paths(table)])
    return {table: File(source, path) for table, (path, _) in found.items()}


def _there(source: Source, files: list[tuple[str, str]]) -> dict[str, tuple[str, int]]:
    """Table -> the first of its files that is there, best one that is not empty; and its size."""
    sizes = source.few_sizes([path for _, path in files])
    there = [
        (table, (path, size))
        for (table, path), size in zip(files, sizes, strict=True)
        if size is not None
    ]
    there.sort(key=lambda found: found[1][1] == EMPTY)
    return dict(reversed(there))


def _paths(table: str) -> list[str]:
    folders = _FOLDERS[table]
    return [
        posixpath.join(folder, f"{table}.csv{suffix}") for folder in folders for suffix in _SUFFIXES
    ]


def _usual(table: str) -> str:
    return f"{_FOLDERS[table][0]}/{table}.csv.gz"


def _say_without_stays(source: Source, files: dict[str, File]) -> None:
    """Say that the stays in intensive care are not there.

    Raises:
        StoreError: A web server refuses them to this user.
    """
    if "icustays" in files:
        return
    source.check_permitted(_usual("icustays"))
    _logger.warning(
        "%s has no %s (nor without .gz): stay_id and stay_hits are null. To have them, fetch it "
        "from %s",
        source.shown(), _usual("icustays"), HOMEPAGE,
    )  # fmt: skip


def _add_ed(source: Source, files: dict[str, File]) -> str:
    """Look for MIMIC-IV-ED beside; say why a web server refuses it, empty if it does not."""
    # In a store each look takes time: there only where the newest release is on PhysioNet.
    for path in _ED_PLACES[:1] if source.is_remote else _ED_PLACES:
        files.update(_found(source.folder(path), ["edstays"]))
        if "edstays" in files:
            return ""
    if protocol(source.root) in WEB:  # other stores may refuse what is not there, too
        try:
            source.folder(_ED_PLACES[0]).check_permitted(_usual("edstays"))
        except StoreError as error:
            return str(error)
    return ""
