r"""The two sets of rules by which a report is cut into sections.

`official` is what MIT-LCP's `txt/section_parser.py` and `txt/create_section_files.py` (MIT licence)
do, which made `mimic_cxr_sectioned.csv`:

1. A header begins a line, after at least one space. It consists of capitals, spaces and any of
   `( ) / , -`, and ends with a colon and one white-space character: `\n ([A-Z ()/,-]+):\s`. In
   lower case, with a digit, at the margin, on the first line or at the very end of the report it is
   text. The white-space character belongs to the header: if it ends the line, the next line is
   text, whatever it looks like.
2. A section runs from its header to the next one; `headers.section_of` says which section it is.
   What stands before the first header is the *opening*, and so is a whole report without one.
3. Blank findings and blank impressions are dropped.
4. If neither is left, the last section (or the opening, if there is none) is cut at its first empty
   line, which is `"\n \n"`. What follows the cut is the `last_paragraph`.
5. If a section occurs more than once, the last one counts, even a blank one.

The official code treats 54 studies specially, by their ids: for 23 it takes another section, for 31
a range of characters. These ids are real and have no place here; `mimic_cxr_sectioned.csv` has no
row for them.

`corrected` differs where these lose words, or put them where they do not belong:

1. `NDICATION` opens the indication, not the impression.
2. Sections of one name are joined in their order, with `JOINT` between two. Blank ones, of any
   name, count for nothing.
3. A header may stand on the first line, at the very end, and on the line after another header.
4. A header of a known spelling may be indented in any way or not at all, and needs no white space
   after its colon. Where a sentence can begin it may be in any case; but what is in the findings or
   the impression leaves them for no other section so. `DATE` and `PREAMBLE`, which open no column,
   are headers in the official form only.
5. A header that no rule knows is a sub-heading where it stands in the findings: it and what follows
   stay in them.
6. An empty line may hold any number of spaces or tabs, or none, and may follow a header's line.
7. A line of ten or more underscores that ends a section is not part of it, nor is the title of the
   next report after it, such as `FINAL REPORT`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from cxr_datasets.errors import OptionError
from mimic_cxr_jpg.reports.headers import OFFICIAL_SPELLINGS, SPELLINGS, section_of

CORRECTED, OFFICIAL = RULES = ("corrected", "official")
"""Names of the two; the first is what a release is read by unless told otherwise."""

JOINT = "\n\n"
"""What stands between sections of one name. An empty line of a report itself holds a space."""

_WITHOUT_COLUMN = ("preamble", "date")
_RULER = 10
"""Underscores that make a line; three of them stand for a text that was taken out."""

_TITLE = re.compile(r"[A-Z ]*(?:REPORT|ADDENDUM)")

_OFFICIAL_HEADER = re.compile(r"\n ([A-Z ()/,-]+):\s")
_CAPITALS = re.compile("[A-Z ()/,-]+")
_LINE = re.compile(r"[ \t]*[A-Za-z ()/,-]+")
"""What may be a header by the corrected rules, up to its colon."""

_MAIN = ("findings", "impression")
_SECTIONS = frozenset(SPELLINGS.values())

_IN_OFFICIAL_FORM, _KNOWN, _KNOWN_IN_LOWER_CASE = range(3)
_ENDS_OF_SENTENCES = tuple(".:;!?_")


@dataclass(frozen=True)
class Rules:
    """One set of rules.

    Attributes:
        cut: Cuts a report at its headers. It gives the opening; and then for each header what
            stands before its colon, and what follows it.
        spellings: Known spelling of a header -> its section.
        empty_line: Where the last paragraph is cut off.
        text: Gives the text of a passage, or None if it is blank.
        is_corrected: Whether they are the corrected ones.
    """

    cut: Callable[[str], list[str]]
    spellings: Mapping[str, str]
    empty_line: re.Pattern[str]
    text: Callable[[str], str | None]
    is_corrected: bool


def rules_of(name: str, option: str = "rules") -> Rules:
    """Give the rules of a name.

    Args:
        name: One of `RULES`.
        option: How the option is called that names them, for the error.

    Raises:
        OptionError: There are no such rules.
    """
    if name not in RULES:
        raise OptionError.unknown(option, name, RULES)
    return _CORRECTED if name == CORRECTED else _OFFICIAL


# --- headers by the corrected rules ---------------------------------------------------------------


class _Header(NamedTuple):
    """What may be a header, by what stands before a colon in its line.

    Attributes:
        form: One of the forms above.
        name: The header.
        opens: The section that it opens; see `section_of`.
    """

    form: int
    name: str
    opens: str


def _cut(report: str) -> list[str]:
    report = f"\n{report}"  # so that its first line is like others
    parts, at, section = [], 1, ""
    # Few lines have a colon. To look for these first takes a third of the time that a pattern of
    # whole lines does.
    before = 0
    while (colon := report.find(":", before)) >= 0:
        start = report.rfind("\n", before, colon)
        before = colon + 1
        if start < 0:  # not the first colon of its line
            continue
        header = _header(report[start + 1 : colon])
        if header is None or not _is_one(header, report, start, colon, section):
            continue
        parts += [report[at:start], header.name]
        at = before
        if section != "findings" or header.opens in _SECTIONS:  # no sub-heading
            section = header.opens
    return [*parts, report[at:]]


@lru_cache(maxsize=4096)
def _header(line: str) -> _Header | None:
    """Say what header a line may be, given up to its first colon; None if it is none."""
    if not _LINE.fullmatch(line):
        return None
    name = line.lstrip(" \t")
    if SPELLINGS.get(name.lower(), "date") not in _WITHOUT_COLUMN:
        form = _KNOWN if name.isupper() else _KNOWN_IN_LOWER_CASE
        return _Header(form, line, section_of(line))
    if line[0] == " " and _CAPITALS.fullmatch(line, 1):
        return _Header(_IN_OFFICIAL_FORM, line[1:], section_of(line))
    return None


def _is_one(header: _Header, report: str, start: int, colon: int, section: str) -> bool:
    """Whether a line of the form of a header is one where it stands.

    Args:
        header: What it would be.
        report: The report.
        start: Where the line end before it is.
        colon: Where its colon is.
        section: What it would end.
    """
    if header.form == _IN_OFFICIAL_FORM:
        return _is_blank(report, colon + 1)
    if header.form == _KNOWN:
        return True
    leaves_main = section in _MAIN and header.opens not in _MAIN
    return not leaves_main and _can_begin(report, start)


def _is_blank(report: str, at: int) -> bool:
    """Whether white space follows, or the end."""
    return at == len(report) or report[at].isspace()


def _can_begin(report: str, at: int) -> bool:
    """Whether a sentence can begin on the line after a line end."""
    before = report[report.rfind("\n", 0, at) + 1 : at]
    return (
        at == 0
        or before in ("", " ")
        or before.endswith(("REPORT", "ADDENDUM"))
        or before.removesuffix(" ").endswith(_ENDS_OF_SENTENCES)
    )


# --- passages -------------------------------------------------------------------------------------


def _stripped(passage: str) -> str | None:
    return passage.strip() or None


def _without_ruler(passage: str) -> str | None:
    """Strip a passage, and take off the ruler and the title that divide it from what follows."""
    text = passage.strip()
    if "_" * _RULER not in text:
        return text or None
    before, _, last = text.rpartition("\n")
    if _TITLE.fullmatch(last.strip()):
        before, _, last = before.rstrip().rpartition("\n")
    last = last.strip()
    is_ruler = len(last) >= _RULER and last == "_" * len(last)
    return (before.rstrip() if is_ruler else text) or None


_OFFICIAL = Rules(
    cut=_OFFICIAL_HEADER.split,
    spellings=OFFICIAL_SPELLINGS,
    empty_line=re.compile("\n \n"),
    text=_stripped,
    is_corrected=False,
)
_CORRECTED = Rules(
    cut=_cut,
    spellings=SPELLINGS,
    empty_line=re.compile(r"\n[ \t]*\n"),
    text=_without_ruler,
    is_corrected=True,
)
