"""Cut the text of a report into sentences."""

from __future__ import annotations

import re

_BULLET = r"(?:[-*\u2022\u00b7]|\(?\d{1,2}[.)])"
"""What begins an item of a list."""

_CUT = re.compile(
    rf"""
    (?P<mark>[.!?]+["')\]]*)(?=\s|$)      # the end of a sentence, perhaps
    | (?P<glued>(?<=[a-z)])\.(?=[A-Z]))   # a blank is missing: "effusion.No"
    | (?P<semi>;)
    | (?P<blank>\n[^\S\n]*\n\s*)          # a blank line
    | (?P<item>(?:\n\s*|(?<=[.:;?!])\s+){_BULLET}\s+)  # an item of a list
    | (?P<line>\n\s*)
    """,
    re.VERBOSE,
)

_ABBREVIATION = re.compile(
    r"(?:\b(?:dr|drs|mr|mrs|ms|md|vs|approx|approximately|e\.g|i\.e|eg|ie|cf|fig|st|a\.m|p\.m|inc|"
    r"jr|sr|incl|resp)|(?:^|\s)\(?\d{1,2})$",
    re.IGNORECASE,
)
"""What a full stop follows that ends no sentence: an abbreviation, or the number of an item."""

_GOES_ON = re.compile(
    r"(?:,|\b(?:no|not|or|and|of|the|a|an|with|without|in|on|at|to|for|is|are|was|were|by|from|"
    r"right|left|lower|upper|middle|mild|small|large|new|stable|than|that|which|may|be|as|into))\s*$",
    re.IGNORECASE,
)
"""The end of a line that its next line goes on with, even if that begins with a capital."""

_LEAD = re.compile(
    r"\b(?:no|not|without|absence of|free of|negative for|evidence of)\b[^.:;\n]{0,60}:\s*$",
    re.IGNORECASE,
)
"""The end of a sentence that denies the list below it."""

_LOOK_BACK = 80


def spans(text: str) -> list[tuple[int, int]]:
    """Give where the sentences of a text begin and end; none is blank.

    A sentence ends at its full stop, a semicolon, a blank line, and before an item of a list; at a
    line break too if the next line begins with a capital and this one is no half of a phrase. The
    items of a list whose first line denies them ("No evidence of:") stay with that line.
    """
    found = []
    begin, denied = 0, False
    for cut in _CUT.finditer(text):
        kind = cut.lastgroup
        before = text[max(begin, cut.start() - _LOOK_BACK) : cut.start()]
        if kind == "item":
            denied = denied or _LEAD.search(before) is not None
            if denied:
                continue
        elif kind == "line":
            following = text[cut.end() : cut.end() + 1]
            if not following.isupper() or _GOES_ON.search(before) or _LEAD.search(before):
                continue
        elif kind == "mark" and _ABBREVIATION.search(before):
            continue
        end = cut.start() if kind in ("item", "line", "blank") else cut.end()
        found.append((begin, end))
        begin, denied = (cut.start() if kind == "item" else cut.end()), False
    found.append((begin, len(text)))
    return [trimmed for span in found if (trimmed := _trimmed(text, *span))]


def _trimmed(text: str, begin: int, end: int) -> tuple[int, int] | None:
    piece = text[begin:end]
    if not (bare := piece.strip()):
        return None
    begin += len(piece) - len(piece.lstrip())
    return begin, begin + len(bare)
