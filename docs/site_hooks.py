"""What MkDocs needs to show files that stand elsewhere in the repository.

Pages link to the cards, the benchmarks, the examples and other files as they lie, so that the
links work on GitHub too. Here each such file becomes a part of the site, under `repo/`, and the
links lead there. A link to a folder leads to its README.md, or to a list of its files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from posixpath import join, normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"(?<=\]\()(?P<path>[^)#\s]+)(?=[#)])")
_LIST = "index.md"
"""Name of the page that stands for a folder without README.md."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add every file of the repository that a page links to, and those that these link to."""
    waiting = [_source(file.src_uri) for file in files.documentation_pages()]
    waiting += [_source(uri) for uri in _in_nav(config.nav) if uri.startswith("repo/")]
    seen = set(waiting)
    while waiting:
        place = waiting.pop()
        text = _text(place)
        if files.get_file_from_path(_uri(place)) is None:
            if _is_list(place):
                files.append(File.generated(config, _uri(place), content=text))
            elif (ROOT / place).is_file():  # else MkDocs warns of the link
                file = str(ROOT / place)
                files.append(File.generated(config, _uri(place), abs_src_path=file))
        linked = {target for _, target in _links(text, place)}
        waiting += linked - seen
        seen |= linked
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead the links of a page to where the files are in the site."""
    here = os.path.dirname(page.file.src_uri) or "."
    led = {
        path: relpath(_uri(target), here)
        for path, target in _links(markdown, _source(page.file.src_uri))
    }
    return _LINK.sub(lambda match: led.get(match["path"], match["path"]), markdown)


def _in_nav(nav: object) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    for item in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from _in_nav(item)


def _links(text: str, place: str) -> Iterator[tuple[str, str]]:
    """Links of a page to the repository, and where each leads, from the root of it."""
    for match in _LINK.finditer(text):
        if ":" not in match["path"]:
            yield match["path"], _page_of(normpath(join(os.path.dirname(place), match["path"])))


def _page_of(place: str) -> str:
    """A file itself; of a folder, the page that stands for it."""
    if not (ROOT / place).is_dir():
        return place
    readme = join(place, "README.md")
    return readme if (ROOT / readme).is_file() else join(place, _LIST)


def _is_list(place: str) -> bool:
    return os.path.basename(place) == _LIST and not (ROOT / place).exists()


def _text(place: str) -> str:
    """The text of a page, whose links are to be followed; empty for other files."""
    if _is_list(place):
        return _list_of_files(ROOT / os.path.dirname(place))
    is_page = place.endswith(".md") and (ROOT / place).is_file()
    return (ROOT / place).read_text("utf-8") if is_page else ""


def _list_of_files(folder: Path) -> str:
    files = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in (".csv", ".md", ".py", ".toml")
    )
    return f"# {folder.name}\n\n" + "".join(f"- [{name}]({name})\n" for name in files)


def _source(uri: str) -> str:
    """Where a page of the site lies in the repository."""
    return uri.removeprefix("repo/") if uri.startswith("repo/") else f"docs/{uri}"


def _uri(place: str) -> str:
    """Where a file of the repository is in the site."""
    return place.removeprefix("docs/") if place.startswith("docs/") else f"repo/{place}"
