"""CITATION.cff is valid, and of the version that the package has."""

from __future__ import annotations

import datetime
import re

import cxr_datasets
from tests.project.files import read, read_yaml

CITATION = read_yaml("CITATION.cff")


def test_it_has_what_the_format_asks_for() -> None:
    assert CITATION["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(CITATION)
    assert CITATION["type"] == "software"
    assert CITATION["authors"] == [{"name": "the cxr-datasets developers"}]
    assert CITATION["license"] == "Apache-2.0"


def test_its_version_is_that_of_the_package() -> None:
    assert CITATION["version"] == cxr_datasets.__version__


def test_its_date_is_that_of_the_changelog() -> None:
    """A version that is not released has none."""
    version = re.escape(cxr_datasets.__version__)
    (said,) = re.findall(rf"^## \[{version}\] - (.+)$", read("CHANGELOG.md"), re.MULTILINE)
    date = CITATION.get("date-released")
    if said == "unreleased":
        assert date is None
    else:
        assert isinstance(date, datetime.date)  # as YAML reads 2026-01-31
        assert date.isoformat() == said
