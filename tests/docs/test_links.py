"""Links between pages, to headings and to files lead somewhere."""

from __future__ import annotations

import os
import re

import pytest

from tests.docs.pages import CHECKOUT, DOCS, LINKING, README, anchors, links, table


@pytest.mark.parametrize("page", LINKING)
def test_links_within_the_project_lead_somewhere(page: str) -> None:
    for target in links(page):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        place = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
        assert (CHECKOUT / place).exists(), target
        assert not place.startswith(".."), target
        if anchor:
            assert anchor in anchors(place), target


def test_readme_lists_every_page() -> None:
    """Those of the reference by one entry."""
    listed = [re.findall(r"\]\((.+?)\)", row[0])[0] for row in table(README, "page")]
    pages = {page for page in DOCS if not page.startswith("docs/api/")} - {"docs/index.md"}
    assert sorted(listed) == sorted({*pages, "docs/api/index.md", "examples/README.md"})
