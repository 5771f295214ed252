"""What MkDocs needs to show pages that stand elsewhere in the repository.

Pages link to the cards, the benchmarks and other files as they lie, so that the links work on
GitHub too. Here each such file becomes a part of the site, under `repo/`, and the links lead there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from posixpath import relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"(?<=\]\()(?P<path>[^)#\s]+)(?=[#)])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add every file of the repository that a page links to, and those that these link to."""
    waiting = [_source(file.src_uri) for file in files.documentation_pages()]
    waiting += [_source(uri) for uri in _in_nav(config.nav) if uri.startswith("repo/")]
    seen = set(waiting)
    while waiting:
        place = waiting.pop()
        uri = _uri(place)
        if files.get_file_from_path(uri) is None and (ROOT / place).is_file():
            files.append(File.generated(config, uri, abs_src_path=str(ROOT / place)))
        if place.endswith(".md") and (ROOT / place).is_file():
            linked = _links((ROOT / place).read_text("utf-8"), place)
            waiting += [target for target in linked if target not in seen]
            seen |= linked
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead the links of a page to where the files are in the site."""
    place = _source(page.file.src_uri)
    here = os.path.dirname(page.file.src_uri)

    def led(match: re.Match[str]) -> str:
        target = _place(match["path"], place)
        return match["path"] if target is None else relpath(_uri(target), here or ".")

    return _LINK.sub(led, markdown)


def _in_nav(nav: object) -> Iterable[str]:
    if isinstance(nav, str):
        yield nav
    for item in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from _in_nav(item)


def _links(text: str, place: str) -> set[str]:
    found = (_place(match["path"], place) for match in _LINK.finditer(text))
    return {target for target in found if target is not None}


def _place(path: str, page: str) -> str | None:
    """Where a link of a page leads, from the root of the repository; None for another site."""
    if ":" in path:
        return None
    return os.path.normpath(os.path.join(os.path.dirname(page), path))


def _source(uri: str) -> str:
    """Where a page of the site lies in the repository."""
    return uri.removeprefix("repo/") if uri.startswith("repo/") else f"docs/{uri}"


def _uri(place: str) -> str:
    """Where a file of the repository is in the site."""
    return place.removeprefix("docs/") if place.startswith("docs/") else f"repo/{place}"
