"""Get a copy of a release, or a part of one: its tables, and then just the images that are wanted.

The tables come first. From them the same index is built as for loading, the same options choose
from it, and what they leave is fetched. A second run fetches only what is missing or differs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from cxr_datasets.audit import Entry, logged
from cxr_datasets.builder import CxrBuilder, Published
from cxr_datasets.builder.config import check_views
from cxr_datasets.copies.archive import fetch_archive
from cxr_datasets.copies.checksums import sha256_of
from cxr_datasets.copies.estimate import estimated
from cxr_datasets.copies.folder import CopyFolder
from cxr_datasets.copies.results import Command, Downloaded, Estimate
from cxr_datasets.copies.run import Run
from cxr_datasets.copies.selection import Selection, check_split, read_ids
from cxr_datasets.copies.wanted import Wanted
from cxr_datasets.copies.ways import fetchers_of, known_publisher
from cxr_datasets.copies.yourself import command_for
from cxr_datasets.counts import is_whole
from cxr_datasets.errors import OptionError
from cxr_datasets.flags import check_flags
from cxr_datasets.packages import builder_class, known_datasets
from cxr_datasets.tables.id_forms import IdForm


def download(
    dataset: str,
    out: str | os.PathLike[str],
    *,
    release: str | None = None,
    split: str | Iterable[str] | None = None,
    views: str | Iterable[str] | None = None,
    ids: str | os.PathLike[str] | Iterable[str | int] | None = None,
    limit: int | None = None,
    reports: bool = False,
    images: bool = True,
    source: str | os.PathLike[str] | None = None,
    source_options: Mapping[str, Any] | None = None,
    connections: int | None = None,
    check: bool = False,
    dry_run: bool = False,
    print_wget: bool = False,
    keep_zip: bool = False,
    progress: bool = True,
    log: str | os.PathLike[str] | None = None,
) -> Downloaded | Estimate | Command:
    """Fetch a release, or a part of it, into a folder that has the release's own layout.

    A file gets its name only when it is whole: it is fetched beside, and compared with the list of
    checksums of the release. A run that was stopped, in whatever way, goes on when it is started
    again.

    Args:
        dataset: Name of the dataset, such as `my-cxr`.
        out: Folder on this machine's disks; it is made if it is not there.
        release: Version of the release; None: the newest.
        split: Splits that are wanted; None: all.
        views: Views that are wanted, as the option `views` of the dataset; None: all.
        ids: Ids of images, studies or patients: a file (a list, CSV or JSON), or the ids. Which of
            the three an id is, the tables tell. None: all.
        limit: Most images, the first in the release's own order; None: all.
        reports: Whether to fetch the reports too, where they are another project.
        images: Whether to fetch images at all; if not, only the tables.
        source: Folder, archive or address of a copy to fetch from; None: the publisher's site.
        source_options: Options of its store, as its fsspec file system takes them.
        connections: Most connections at once; None: 4 to the publisher's site, else the usual
            number of the store.
        check: Whether to read files again that an earlier run found to be whole.
        dry_run: Only tell how many files and bytes it would be, and how long it would take.
        print_wget: Only write the list of files into `out`, and give the command that fetches it.
        keep_zip: Fetch all of the release as the one archive that the publisher gives, and keep it
            so: it is read in place.
        progress: Whether to show a bar.
        log: A file to which a line of JSON is added that says who fetched what, when, from where,
            and with what outcome, for audits: see `cxr_datasets.audit`.

    Returns:
        What is there now; with `dry_run` an `Estimate`, with `print_wget` a `Command`.

    Raises:
        OptionError: An option has a value that does not exist, or leaves no image.
        ReleaseError: There is no release at `source`.
        TableError: A table is broken.
        StoreError: The place refuses this user, or failed again and again.
        DownloadError: The disk is full, another download is writing there, a program is not
            installed, or there is no login.
    """
    split, views = _listed(split), _listed(views)
    if ids is not None and not isinstance(ids, (str, os.PathLike)):
        ids = list(ids)
    told = {
        "dataset": dataset, "release": release, "split": split, "views": views,
        "ids": ids, "limit": limit, "reports": reports, "images": images,
        "source_options": source_options, "connections": connections, "check": check,
        "dry_run": dry_run, "print_wget": print_wget, "keep_zip": keep_zip,
    }  # fmt: skip
    with logged(log, "download", places={"source": source, "out": out}, options=told) as entry:
        check_flags(
            reports=reports, images=images, check=check, dry_run=dry_run, print_wget=print_wget,
            keep_zip=keep_zip, progress=progress,
        )  # fmt: skip
        wanted = _wanted(dataset, release, split, views, ids, limit, images, reports)
        copy = CopyFolder(_local(out), wanted.kind.is_credentialed())
        archive = _archive(wanted, source, keep_zip)
        if print_wget:
            return command_for(wanted, copy, known_publisher(wanted))
        _positive("connections", connections)
        images_by, reports_by = fetchers_of(wanted, source, source_options, connections)
        entry.places["source"] = images_by.shown()
        run = Run(wanted, copy, images_by, reports_by, check, progress)
        return estimated(run) if dry_run else _fetch(run, archive, entry)


def _fetch(run: Run, archive: str | None, entry: Entry) -> Downloaded:
    started = time.monotonic()
    with run.copy.locked():
        try:
            done = fetch_archive(run, archive) if archive else run.fetch()
        except KeyboardInterrupt:
            raise KeyboardInterrupt("stopped. The same command goes on.") from None
    sums = run.wanted.checksums
    if sums and run.copy.place(sums).is_file():
        entry.manifests[sums] = sha256_of(run.copy.place(sums))
    entry.counts.update(
        images=done.images, present=done.present, fetched=done.fetched, bytes=done.bytes,
        not_fetched=done.problems,
    )  # fmt: skip
    entry.problems = done.problems
    return replace(done, seconds=time.monotonic() - started)


def _listed(names: str | Iterable[str] | None) -> str | list[str] | None:
    return names if names is None or isinstance(names, str) else list(names)


def _wanted(
    dataset: str,
    release: str | None,
    split: str | Iterable[str] | None,
    views: str | Iterable[str] | None,
    ids: str | os.PathLike[str] | Iterable[str | int] | None,
    limit: int | None,
    images: bool,
    reports: bool,
) -> Wanted:
    """Check the options that choose from the release.

    Raises:
        OptionError: One has a value that does not exist.
    """
    kind = builder_class(dataset)
    name = next(known for known in known_datasets() if known == dataset.replace("_", "-"))
    published = _declared(kind, name)
    selection = Selection(
        split=check_split(split),
        views=None if views is None else tuple(check_views(views, kind.RAW_VIEWS)),
        ids=None if ids is None else _ids(ids, kind.ID_FORMS),
        limit=_positive("limit", limit),
    )
    return Wanted(name, kind, _version(release, published), selection, images, reports)


def _archive(wanted: Wanted, source: str | os.PathLike[str] | None, keep_zip: bool) -> str | None:
    """Give the name of the archive that is to be kept; None: single files are wanted.

    Raises:
        OptionError: There is no such archive, or a part of it was asked for.
    """
    if not keep_zip:
        return None
    publisher = wanted.kind.PUBLISHER
    if publisher is None or publisher.archive is None or source is not None:
        what = "a copy" if source else wanted.dataset
        raise OptionError(f"keep_zip: {what} is no single archive. Leave it out.")
    if not wanted.selection.is_all or not wanted.images:
        raise OptionError(
            "keep_zip keeps all images of the release, so it goes with no option that chooses "
            "some. Leave it out, or those."
        )
    return publisher.archive


def _declared(kind: type[CxrBuilder], name: str) -> Published:
    if kind.PUBLISHED is None:
        raise OptionError(
            f"dataset={name!r} declares no tables of a release (PUBLISHED), so there is nothing to "
            "fetch it by."
        )
    return kind.PUBLISHED


def _version(release: str | None, published: Published) -> str:
    version = release or published.versions[0]
    if version not in published.versions:
        raise OptionError.unknown("release", version, published.versions)
    return version


def _ids(
    ids: str | os.PathLike[str] | Iterable[str | int], forms: tuple[IdForm, ...]
) -> tuple[str, ...]:
    if isinstance(ids, (str, os.PathLike)):
        return read_ids(ids, forms)
    given = tuple(dict.fromkeys(map(str, ids)))
    if not given:
        raise OptionError("ids is empty. Leave it out for all.")
    return given


def _positive(name: str, value: int | None) -> int | None:
    if value is not None and not is_whole(value, least=1):
        raise OptionError(f"{name}={value!r} is not a number of them. Give a positive integer.")
    return value


def _local(out: str | os.PathLike[str]) -> str:
    place = os.fspath(out)
    if "://" in place:
        raise OptionError(
            "out is an address, and a copy is fetched to a folder on a disk of this machine. To "
            "write elsewhere, export the dataset: cxr export."
        )
    return place
