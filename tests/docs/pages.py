"""Pages of the project, taken apart: fenced blocks, tables, links, headings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from packaging.version import Version

CHECKOUT = Path(__file__).parents[2]
README = "README.md"
CARDS = {"mimic_cxr_jpg": "mimic_cxr_jpg/README.md", "indiana_cxr": "indiana_cxr/README.md"}
DOCS = tuple(str(page.relative_to(CHECKOUT)) for page in sorted((CHECKOUT / "docs").rglob("*.md")))
PAGES = (README, *DOCS, *CARDS.values())
"""Pages whose blocks are run."""

LINKING = (
    *PAGES,
    "benchmarks/README.md",
    "examples/README.md",
    *sorted({page.name for page in CHECKOUT.glob("*.md")} - {README}),
)
"""Pages whose links are followed."""

_FENCE = re.compile(
    r"^(?:<!-- (?P<note>[^>]*?) -->\n)?```(?P<language>.*)\n(?P<text>(?:(?!```).*\n)*)```$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: Its page, relative to the checkout.
        note: The comment on the line before it, or empty.
        language: What stands after its fence.
        text: Its lines.
        line: Number of its first line in the page.
    """

    page: str
    note: str
    language: str
    text: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def needs(self) -> str:
        """The oldest `datasets` that it runs with; empty if that is any."""
        needs = "needs datasets "
        return self.note.removeprefix(needs) if self.note.startswith(needs) else ""

    @property
    def excuse(self) -> str:
        """Why it is not run; empty if it is."""
        if self.needs and Version(version("datasets")) < Version(self.needs):
            return self.note
        return self.note.removeprefix("not run: ") if self.note.startswith("not run: ") else ""

    @property
    def source(self) -> str:
        """The file that it is a part of, by its own account; else empty."""
        return self.note.removeprefix("from ") if self.note.startswith("from ") else ""

    @property
    def warnings(self) -> list[str]:
        """A part of each line that it warns by, between bars; none if it warns of nothing."""
        said = self.note.removeprefix("warns: ") if self.note.startswith("warns: ") else ""
        return said.split(" | ") if said else []

    def commands(self) -> list[list[str]]:
        """The words of each command of a block of shell commands."""
        lines = [shlex.split(line, comments=True) for line in self.text.splitlines()]
        return [words for words in lines if words]


@cache
def read(page: str) -> str:
    return (CHECKOUT / page).read_text(encoding="utf-8")


@cache
def blocks(page: str) -> tuple[Block, ...]:
    text = read(page)
    found = tuple(
        Block(
            page, match["note"] or "", match["language"], match["text"],
            text[: match.start("text")].count("\n") + 1,
        )
        for match in _FENCE.finditer(text)
    )  # fmt: skip
    assert 2 * len(found) == len(re.findall("^ *[`~]{3}", text, re.MULTILINE)), page
    return found


def run_blocks(*languages: str, pages: tuple[str, ...] = PAGES) -> list[Block]:
    """Blocks of these languages that are neither excused nor parts of a file."""
    return [
        block
        for page in pages
        for block in blocks(page)
        if block.language in languages and not block.excuse and not block.source
    ]


def tables(page: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Header and rows of each table of a page."""
    for match in re.finditer(r"^\|.*\n\|[-|]+\n((?:\|.*\n)+)", read(page), re.MULTILINE):
        header, _, *rows = [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
            for line in match[0].strip().splitlines()
        ]
        assert {len(row) for row in rows} == {len(header)}, page
        yield header, rows


def table(page: str, first: str, header_too: str = "") -> list[list[str]]:
    """Rows of the one table whose first heading this is, and that has this other one."""
    (rows,) = [
        rows
        for header, rows in tables(page)
        if header[0] == first and (not header_too or header_too in header)
    ]
    return rows


def quoted(cell: str) -> list[str]:
    """What stands between backquotes."""
    return re.findall("`([^`]+)`", cell)


def prose(page: str) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", read(page))


def links(page: str) -> list[str]:
    """Targets of the links and pictures of a page."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(page)) + re.findall('src="([^"]+)"', prose(page))


@cache
def anchors(page: str) -> frozenset[str]:
    """What links to headings of a page may name, as GitHub makes them."""
    headings = re.findall("^#+ (.*)$", prose(page), re.MULTILINE)
    return frozenset(
        re.sub("[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings
    )
