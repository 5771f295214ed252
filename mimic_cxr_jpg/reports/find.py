"""Where the reports of a release are, and in which form."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from cxr_datasets.errors import ReportsError
from cxr_datasets.storage.addresses import cut
from cxr_datasets.storage.source import Source, open_place
from mimic_cxr_jpg.reports.store import TEXT_PATH, ReportStore, not_permitted
from mimic_cxr_jpg.reports.tarred import TarredReports
from mimic_cxr_jpg.reports.tree import ReportTree, within
from mimic_cxr_jpg.reports.zipped import ZippedReports

ARCHIVES = ("mimic-cxr-reports.zip", "mimic-cxr-reports.tar.gz", "mimic-cxr-reports.tgz")
TREES = ("", "mimic-cxr-reports")
"""Folders that may hold `files/` with the texts, in each place that is searched."""

_GROUP = re.compile(r"p1\d")
_TEXT = re.compile(r"s\d{8}\.txt")
_SIBLING = re.compile(r"mimic-cxr(?!-jpg)")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_PATIENTS_LOOKED_AT = 5
_LEVELS_ABOVE = 3
_LEVELS_TO_THE_PROJECT = 2


def find_reports(data: Source, reports: str | None) -> ReportStore | None:
    """Find the reports of a release.

    Args:
        data: The release of the images.
        reports: Where they are; None looks in `data`, above it and beside it.

    Returns:
        The reports, or None if they were not found.

    Raises:
        ReportsError: They are not where `reports` says.
    """
    if reports is not None:
        return _given_reports(reports, data)
    if data.is_remote:  # archives first: to find a tree, folder after folder must be listed
        for place in (data, physionet_project(data)):
            archive = place.first_existing(ARCHIVES)
            if archive:
                return _archive(place, archive)
    for place in _places(data):
        store = _reports_in(place)
        if store:
            return store
    return None


def _given_reports(reports: str, data: Source) -> ReportStore:
    given = open_place(reports, data.options, data.connections)
    folder, name = given.folder(".."), posixpath.basename(cut(given.root)[0])
    if folder.size(name) is not None:
        return _archive(folder, name)
    if given.is_remote:
        store = _reports_in(given)
        if store:
            return store
        given.check_permitted()
        raise ReportsError(
            f"reports={given.shown()} is not there, or holds no reports. Pass the address of "
            "mimic-cxr-reports.zip, of a .tar.gz of it, or of the folder that holds its files/."
        )
    if folder.is_closed or given.is_closed:
        raise not_permitted(f"reports={given.shown()}")
    if not folder.is_folder(name):
        raise ReportsError(
            f"reports={given.shown()} does not exist. Pass mimic-cxr-reports.zip, a .tar.gz of it, "
            "or the folder that holds its files/."
        )
    store = _reports_in(given)
    if store is None:
        raise ReportsError(
            f"reports={given.shown()} holds no reports: expected one of {', '.join(ARCHIVES)}, or "
            f"{TEXT_PATH}. Pass the archive or the folder that holds files/."
        )
    return store


def _archive(folder: Source, name: str) -> ReportStore:
    if name.endswith(".zip"):
        return ZippedReports(folder, name)
    if name.endswith((".tar.gz", ".tgz")):
        return TarredReports(folder, name)
    raise ReportsError(
        f"reports={folder.shown(name)} is not an archive of reports: expected a name that ends "
        "in .zip, .tar.gz or .tgz. Pass mimic-cxr-reports.zip, or a .tar.gz of it."
    )


def _places(data: Source) -> Iterator[Source]:
    """Folders to look in, nearest first: the release, those above it, and folders beside these."""
    yield data
    for level in range(1, _LEVELS_ABOVE + 1):
        above = data.folder("/".join([".."] * level))
        yield above
        if data.is_remote and level == _LEVELS_TO_THE_PROJECT:
            yield physionet_project(data)
        for name in above.names():
            if _SIBLING.match(name):
                sibling = above.folder(name)
                yield sibling
                versions = filter(_VERSION.fullmatch, reversed(sibling.names()))
                yield from map(sibling.folder, versions)


def physionet_project(data: Source) -> Source:
    """Give the folder of MIMIC-CXR beside the images by the name that PhysioNet gives it.

    On a server that does not list its folders it cannot be found otherwise.
    """
    version = posixpath.basename(cut(data.root)[0])
    return data.folder("/".join([".."] * _LEVELS_TO_THE_PROJECT)).folder(f"mimic-cxr/{version}")


def _reports_in(place: Source) -> ReportStore | None:
    archive = place.first_existing(ARCHIVES)
    if archive:
        return _archive(place, archive)
    for tree in TREES:
        if _has_texts(place, within(tree, "files")):
            return ReportTree(place, tree)
    return None


def _has_texts(place: Source, files: str) -> bool:
    """Whether a tree holds texts beside its study folders. Only a few patients are looked at."""
    for group in filter(_GROUP.fullmatch, place.names(files)):
        patients = place.names(f"{files}/{group}")[:_PATIENTS_LOOKED_AT]
        for patient in patients:
            if any(map(_TEXT.fullmatch, place.names(f"{files}/{group}/{patient}"))):
                return True
    return False
