"""Where the reports of a release are, and in which form.

Users have them in several places at once: a zip, and some of its texts unpacked beside the images.
So all places are looked at, and `choose` compares those that have any.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator

from cxr_datasets.errors import ReportsError
from cxr_datasets.storage.addresses import cut
from cxr_datasets.storage.source import Source, open_place
from mimic_cxr_jpg.reports.choose import choose
from mimic_cxr_jpg.reports.sectioned import SECTIONED, SUFFIXES, SectionedReports
from mimic_cxr_jpg.reports.store import TEXT_PATH, ReportStore, Studies, not_permitted
from mimic_cxr_jpg.reports.tarred import TarredReports
from mimic_cxr_jpg.reports.tree import ReportTree
from mimic_cxr_jpg.reports.zipped import ZippedReports

ARCHIVES = tuple(f"mimic-cxr-reports.{suffix}" for suffix in ("zip", "tar.gz", "tgz", "tar", "ZIP"))
TREES = ("files", "mimic-cxr-reports/files", "mimic-cxr-reports", "")
"""Folders that may hold p10/ to p19/ with the texts, in each place that is searched."""

_TREES_FAR = TREES[:2]
_GROUP = re.compile(r"p1\d")
_SIBLING = re.compile(r"mimic-cxr(?!-jpg)")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_LEVELS_ABOVE = 3
_LEVELS_TO_THE_PROJECT = 2
_FIRST_LOOKED_FOR = 4
"""Texts that are looked for in each folder of a remote store, before all of the sample are."""


def find_reports(
    data: Source, reports: str | None, sample: Callable[[], Studies], cache: str
) -> ReportStore | None:
    """Find the reports of a release.

    Args:
        data: The release of the images.
        reports: Where they are; None looks in `data`, above it and beside it.
        sample: Gives some studies of the release, spread over all of them.
        cache: Folder in which archives that must be read may write.

    Returns:
        The reports, or None if they were not found.

    Raises:
        ReportsError: They are not where `reports` says, or an archive that must be compared with
            others is damaged.
    """
    if reports is not None:
        return _given_reports(reports, data, sample, cache)
    if data.is_remote:  # there each look takes time, and so does each folder that is listed
        found = _near_reports(data, sample)
        if found:
            return choose(found, sample, cache)
    return _reports_in(list(_places(data)), sample, cache)


def _given_reports(
    reports: str, data: Source, sample: Callable[[], Studies], cache: str
) -> ReportStore:
    given = open_place(reports, data.options, data.connections)
    folder, name = given.folder(".."), posixpath.basename(cut(given.root)[0])
    if folder.size(name) is not None:
        return _archive(folder, name)
    if not given.is_remote:
        if folder.is_closed or given.is_closed:
            raise not_permitted(f"reports={given.shown()}")
        if not folder.is_folder(name):
            raise ReportsError(
                f"reports={given.shown()} does not exist. Pass mimic-cxr-reports.zip, a .tar.gz or "
                f".tar of it, the folder that holds its files/, or a {SECTIONED}."
            )
    store = _reports_in([given], sample, cache)
    if store is not None:
        return store
    if given.is_remote:
        given.check_permitted()
        raise ReportsError(
            f"reports={given.shown()} is not there, or holds no reports. Pass the address of "
            "mimic-cxr-reports.zip, of a .tar.gz of it, or of the folder that holds its files/."
        )
    sectioned = given.first_existing([f"{SECTIONED}{packed}" for packed in ("", ".gz")])
    raise ReportsError(
        f"reports={given.shown()} holds no reports: expected one of {', '.join(ARCHIVES)}, or "
        f"{TEXT_PATH}. Pass the archive or the folder that holds files/"
        f"{f', or {given.shown(sectioned)} itself' if sectioned else ''}."
    )


def _archive(folder: Source, name: str) -> ReportStore:
    if name.lower().endswith(".zip"):
        return ZippedReports(folder, name)
    if name.lower().endswith((".tar.gz", ".tgz", ".tar")):
        return TarredReports(folder, name)
    if name.lower().endswith(SUFFIXES):
        return SectionedReports(folder, name)
    raise ReportsError(
        f"reports={folder.shown(name)} is not an archive of reports: expected a name that ends "
        f"in .zip, .tar.gz, .tgz or .tar, or {SECTIONED}. Pass mimic-cxr-reports.zip, or a .tar.gz "
        "of it."
    )


# --- places ---------------------------------------------------------------------------------------


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


# --- what is there --------------------------------------------------------------------------------


def _near_reports(data: Source, sample: Callable[[], Studies]) -> list[ReportStore]:
    """Look for reports in a remote release and in the project beside, without listing a folder."""
    found: list[ReportStore] = []
    for place in (data, physionet_project(data)):
        found += _archives_in([place])
        trees = [ReportTree(place, tree) for tree in _TREES_FAR]
        found += [tree for tree in trees if tree.has_any(sample().some(_FIRST_LOOKED_FOR))]
    return found


def _reports_in(
    places: list[Source], sample: Callable[[], Studies], cache: str
) -> ReportStore | None:
    """Look for reports in some folders, and choose."""
    found: list[ReportStore] = []
    trees: list[ReportTree] = []
    for place in places:
        found += _archives_in([place])
        for tree in _trees_in(place):
            trees.append(tree)
            if tree.has_any(sample()):
                found.append(tree)
    if found:
        return choose(found, sample, cache)
    return _of_few_patients(trees, cache)


def _archives_in(places: Iterable[Source]) -> Iterator[ReportStore]:
    for place in places:
        archive = place.first_existing(ARCHIVES)
        if archive:
            yield _archive(place, archive)


def _trees_in(place: Source) -> Iterator[ReportTree]:
    """Folders of patients. Whether they hold texts, images or both does not show yet."""
    for tree in TREES:
        if any(map(_GROUP.fullmatch, place.names(tree))):
            yield ReportTree(place, tree)


def _of_few_patients(trees: list[ReportTree], cache: str) -> ReportStore | None:
    """Choose among trees of so few patients that none of the sample is in them."""
    seen = [(tree, tree.some_studies()) for tree in trees]
    found: list[ReportStore] = [tree for tree, studies in seen if len(studies)]
    if not found:
        return None
    everything = Studies.of([study for _, studies in seen for study in studies])
    return choose(found, lambda: everything, cache)
