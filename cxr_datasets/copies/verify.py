"""What a place holds, and whether it is whole. Nothing in it is changed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cxr_datasets.audit import logged
from cxr_datasets.copies.contents import Checks
from cxr_datasets.copies.exported import verify_export
from cxr_datasets.copies.findings import Findings, check_outside
from cxr_datasets.copies.recognise import Place, recognise
from cxr_datasets.copies.released import verify_release
from cxr_datasets.copies.state import State
from cxr_datasets.copies.summary import Verified
from cxr_datasets.errors import OptionError
from cxr_datasets.flags import check_flags
from cxr_datasets.packages import builder_class
from cxr_datasets.storage import addresses


def verify(
    place: str | os.PathLike[str],
    *,
    sizes: bool = False,
    checksums: bool = False,
    decode: bool = False,
    part: bool = False,
    reports: str | None = None,
    report: str | os.PathLike[str] | None = None,
    since: str | os.PathLike[str] | None = None,
    storage_options: Mapping[str, Any] | None = None,
    log: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Verified:
    """Find out what a place holds and whether it is whole. Nothing in it is changed.

    Of a release: the rows of each table against the published ones; what must hold in the tables
    and between them; which image files are present, absent, unfinished, or listed by no table; how
    many studies have a text. Its folders are listed once, and no image is read without one of the
    three options. Of an export: its manifest, the rows and the sha256 of each file.

    Args:
        place: The folder, `.zip` or address of a release, a part of one, or an export, also a
            pushed one, `hf://datasets/<user>/<repository>`.
        sizes: Compare the width and height in the header of each image with the tables, where
            these have them. No pixel is decoded.
        checksums: Read every file, and compare its sha256 with the release's list.
        decode: Decode every pixel of every image.
        part: Images that are absent are counted, and are no problem. Where `cxr download` noted
            that it was to fetch a part, only an image that it was asked for is one; then this
            option lets that be none either.
        reports: Where the reports are, if they are a project of their own; None: they are looked
            for as when the dataset is loaded.
        report: A CSV file to write, with a row for each problem: `problem`, `image_id`, `study_id`,
            `path`, `expected`, `found`. With an agreement it is closed to other users of the
            machine.
        since: A file that takes what was read of each file, while it is read; what it holds of an
            earlier run is not read again, as long as a file has the same size and time of change.
        storage_options: Options of the store, as its fsspec file system takes them.
        log: A file to which a line of JSON is added that says who verified what, when, with which
            options and with what outcome, for audits: see `cxr_datasets.audit`.
        progress: Whether to show a progress bar, with rate and time left.

    Returns:
        What was found; `problems` counts the problems.

    Raises:
        ReleaseError: It is not there, or neither a release nor an export.
        OptionError: `report` or `since` cannot be written, or lies in the place.
        ExportError: What an export noted of itself was changed.
        StoreError: A store refuses a file, or failed again and again.
    """
    checks = Checks(sizes, checksums, decode)
    places = {"place": place, "reports": reports, "report": report, "since": since}
    told = {"sizes": sizes, "checksums": checksums, "decode": decode, "part": part,
            "storage_options": storage_options}  # fmt: skip
    _check_files(place, {"report": report, "since": since, "log": log})
    with logged(log, "verify", places=places, options=told) as entry:
        check_flags(
            sizes=sizes, checksums=checksums, decode=decode, part=part, progress=progress
        )  # fmt: skip
        found = recognise(place, storage_options)
        verified = _verify(found, checks, part, reports, since, progress)
        if report is not None:
            closed = builder_class(found.dataset).is_credentialed()
            verified.findings.write(report, closed)
            verified = replace(verified, report=os.fspath(report))
        entry.counts |= verified.counts
        entry.manifests |= verified.manifests
        entry.problems = verified.problems
    return verified


def _check_files(
    place: str | os.PathLike[str], files: Mapping[str, str | os.PathLike[str] | None]
) -> None:
    root = addresses.normalised(os.fspath(place))
    for option, file in files.items():
        if file is not None:
            check_outside(option, file, root)


def _verify(
    place: Place,
    checks: Checks,
    part: bool,
    reports: str | None,
    since: str | os.PathLike[str] | None,
    progress: bool,
) -> Verified:
    findings = Findings()
    if place.kind != "export":
        state = State(since, builder_class(place.dataset).is_credentialed())
        return verify_release(place, checks, state, findings, part, reports, progress)
    if checks or part or reports or since:
        raise OptionError(
            "sizes, checksums, decode, part, reports and since are for releases, and "
            f"{place.source.shown()} holds an export, of which every file is read anyway. "
            "Leave them out."
        )
    return verify_export(place, findings, progress)
