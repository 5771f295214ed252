"""The way that files come: from the publisher's site, or from a copy that somebody has."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from cxr_datasets.builder import Publisher
from cxr_datasets.copies.fetcher import Fetcher
from cxr_datasets.copies.from_source import FromSource
from cxr_datasets.copies.sites import at_site
from cxr_datasets.copies.wanted import Wanted
from cxr_datasets.errors import OptionError, ReleaseError
from cxr_datasets.storage.addresses import check_open
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.source import Source, open_place


def fetchers_of(
    wanted: Wanted,
    source: str | os.PathLike[str] | None,
    options: Mapping[str, Any] | None,
    connections: int | None,
) -> tuple[Fetcher, Fetcher | None]:
    """Choose what brings the tables and images, and what brings the reports.

    Args:
        wanted: What was asked for.
        source: A copy to fetch from; None: the publisher's site.
        options: Options of its store.
        connections: Most connections at once; None: the usual number.

    Returns:
        Both; None for the reports where they are not wanted.

    Raises:
        OptionError: The site gives fewer connections, or the dataset has no reports of their own.
        ReleaseError: There is nothing at `source`.
        DownloadError: A program that is needed is not installed.
    """
    publisher = wanted.kind.PUBLISHER
    if wanted.reports and not (publisher and publisher.reports):
        raise OptionError(
            f"reports: those of {wanted.dataset} are in its tables, and need not be asked for."
        )
    if source is not None:
        place = _opened(source, options, connections)
        brings = FromSource(place)
        return brings, _reports_near(place, brings, wanted) if wanted.reports else None
    known = known_publisher(wanted)
    reports = _of_companion(known, wanted, connections) if wanted.reports else None
    return _of_publisher(known, wanted, connections), reports


def known_publisher(wanted: Wanted) -> Publisher:
    """The publisher of the dataset.

    Raises:
        OptionError: It declares none.
    """
    if wanted.kind.PUBLISHER is None:
        raise OptionError(
            f"Where {wanted.dataset} is published is not known here: give from, a copy to fetch it "
            "from."
        )
    return wanted.kind.PUBLISHER


def _of_publisher(known: Publisher, wanted: Wanted, connections: int | None) -> Fetcher:
    homepage = known.homepage.format(version=wanted.version)
    return _fetcher(known, known.address, wanted.version, homepage, wanted, connections)


def _reports_near(place: Source, brings: Fetcher, wanted: Wanted) -> Fetcher:
    """The reports of a copy: in it, or in their own project where the publisher's site has that."""
    known = known_publisher(wanted)
    assert known.reports is not None
    here = known.address.format(version=wanted.version)
    there = known.reports.address.format(version=known.reports.versions[wanted.version])
    beside = place.folder(posixpath.relpath(there, here))
    in_it, in_project = place.size(known.reports.file), beside.size(known.reports.file)
    return FromSource(beside) if in_project and not in_it else brings


def _of_companion(known: Publisher, wanted: Wanted, connections: int | None) -> Fetcher:
    assert known.reports is not None
    version = known.reports.versions[wanted.version]
    homepage = known.reports.homepage.format(version=version)
    return _fetcher(known, known.reports.address, version, homepage, wanted, connections)


def _fetcher(
    known: Publisher,
    address: str,
    version: str,
    homepage: str,
    wanted: Wanted,
    connections: int | None,
) -> Fetcher:
    most = known.most_connections
    if connections is not None and connections > most:
        raise OptionError(
            f"connections={connections} are more than {known.name} serves: more than {most} lead "
            f"to time-outs, or block an account. Give at most {most}."
        )
    refusals = {
        status: told.format(version=version, homepage=homepage)
        for status, told in known.refusals.items()
    }
    module, _, name = known.fetcher.partition(":")
    make = getattr(import_module(module), name)
    where = at_site(address.format(version=version))
    count = connections or known.connections
    return make(where, count, refusals, closed=wanted.kind.is_credentialed())


def _opened(
    source: str | os.PathLike[str], options: Mapping[str, Any] | None, connections: int | None
) -> Source:
    check_open("from", os.fspath(source))
    place = open_place(source, StorageOptions(options, os.fspath(source)), connections)
    problem = place.problem()
    if problem is not None:
        raise ReleaseError(
            f"from={place.shown()} holds no release ({problem}). Give the folder, archive or "
            "address that holds its tables."
        )
    return place
