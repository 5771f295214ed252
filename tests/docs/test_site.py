"""The site builds without a warning, and its navigation holds every page."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.docs.pages import CHECKOUT, DOCS


class _Loader(yaml.SafeLoader):
    """Reads what only MkDocs resolves, such as `!!python/name:`, as nothing."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: None)


def _pages(nav: object) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    for item in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from _pages(item)


def test_every_page_is_in_the_navigation() -> None:
    settings = yaml.load((CHECKOUT / "mkdocs.yml").read_text("utf-8"), _Loader)
    pages = [page for page in _pages(settings["nav"]) if not page.startswith("repo/")]
    assert len(pages) == len(set(pages))
    assert {f"docs/{page}" for page in pages} == set(DOCS)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="mkdocstrings of 3.10 fails here")
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("material")
    pytest.importorskip("mkdocstrings")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    card = (tmp_path / "repo" / "mimic_cxr_jpg" / "index.html").read_text("utf-8")
    assert "Terms of use" in card
    reference = (tmp_path / "api" / "loading" / "index.html").read_text("utf-8")
    assert "decode_batch" in reference
