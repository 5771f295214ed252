"""Cut the text of a report into sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator

_CUT = re.compile(
    r"""
    [.!?;\n0-9]                                             # first, so that the search is fast
    (?:
        (?<=[.!?]) [.!?]* ["')\]]*                          # the end of a sentence, perhaps
        | (?<=;)
        | (?<=\n) \s* (?P<bullet>(?:[-*\u2022\u00b7]|\(?\d{1,2}[.)])\s+)?  # a line ends
        | (?<=[0-9]) [0-9]? [.)] \s* (?=[A-Z])   # "2. No effusion", within a line
    )
    """,
    re.VERBOSE,
)

_ABBREVIATION = re.compile(
    r"\(?(?:drs?|mrs?|ms|md|vs|approx|approximately|e\.g|i\.e|eg|ie|cf|fig|st|a\.m|p\.m|inc|jr|sr|"
    r"incl|resp|[0-9]{1,2})",
    re.IGNORECASE,
)
"""A last word whose full stop ends no sentence: an abbreviation, or the number of an item."""

_GOES_ON = re.compile(
    r"no|not|or|and|of|the|an?|with|without|in|on|at|to|for|is|are|was|were|by|from|right|left|lower|"
    r"upper|middle|mild|small|large|new|stable|than|that|which|may|be|as|into",
    re.IGNORECASE,
)
"""The last word of a line that its next line goes on with, even if that begins with a capital."""

_LEAD = re.compile(
    r"\b(?:no|not|without|absence of|free of|negative for|evidence of)\b[^.:;\n]{0,60}:$",
    re.IGNORECASE,
)
"""The end of a sentence that denies the list below it."""

_LOOK_BACK = 80
"""Characters in which these are looked for."""

_HEADER = re.compile(
    r"(?:^|\n|(?<=[.?!])[^\S\n])[^\S\n]*"
    r"(?:(?P<asks>(?:clinical |patient )?(?:indications?|history|information|reason)\b[^:\n]{0,40}|"
    r"comparisons?|technique|procedure|examination|exam|recommendations?(?:\(s\))?|notifications?)"
    r"|findings|impressions?|conclusions?|wet read|final report|report|opinion|summary)"
    r"[^\S\n]*:",
    re.IGNORECASE,
)
"""The header of a section; `asks` is there if the section does not tell what is seen."""


def is_told_apart(word: str) -> bool:
    """Whether where a sentence ends may depend on this word, given in lower case."""
    return bool(_ABBREVIATION.fullmatch(word) or _GOES_ON.fullmatch(word))


def spans(text: str) -> list[tuple[int, int]]:
    """Give where the sentences of a text begin and end; none is blank.

    A sentence ends at its full stop, a semicolon, a blank line, and before an item of a list; at a
    line break too if the next line begins with a capital and this one is no half of a phrase. The
    items of a list whose first line denies them ("No evidence of:") stay with that line. Sections
    that do not tell what is seen, such as the indication, are left out.
    """
    if is_one(text):
        one = _trimmed(text, 0, len(text))
        return [one] if one else []
    return [
        trimmed
        for begin, end in _told(text)
        for span in _cut(text, begin, end)
        if (trimmed := _trimmed(text, *span))
    ]


def is_one(text: str) -> bool:
    """Whether a text is one sentence, or blank: at most the mark at its end would cut it.

    Most pieces of a column are so.
    """
    first = _CUT.search(text)
    if first is not None and (first.end() < len(text) or text[first.start()] not in ".!?;"):
        return False
    return ":" not in text


def _told(text: str) -> Iterator[tuple[int, int]]:
    """Give the parts of a text that tell what is seen."""
    begin: int | None = 0
    for header in _HEADER.finditer(text) if ":" in text else ():
        if begin is not None:
            yield begin, header.start()
        begin = None if header["asks"] else header.end()
    if begin is not None:
        yield begin, len(text)


def _cut(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    denied = False
    for cut in _CUT.finditer(text, begin, end):
        at, to = cut.span()
        mark = text[at]
        before = text[max(begin, at - _LOOK_BACK) : at].rstrip()
        if cut["bullet"] or (mark.isdigit() and text[at - 1 : at] in (" ", "(", "")):
            denied = denied or (before.endswith(":") and _LEAD.search(before) is not None)
            if denied:
                continue
            yield begin, at
            begin = at
            continue
        if mark == "\n":
            if not _ends_line(before, text, at, to):
                continue
        elif mark in ".!?" and not _ends_sentence(before, text, at, to, end):
            continue
        yield begin, to
        begin, denied = to, False
    yield begin, end


def _ends_line(before: str, text: str, at: int, to: int) -> bool:
    if text.find("\n", at + 1, to) > 0:  # a blank line
        return True
    if not text[to : to + 1].isupper() or before.endswith(","):
        return False
    if before.endswith(":") and _LEAD.search(before):
        return False
    if before.lower().endswith(": no"):  # an answer of a structured report
        return True
    return not before or not _GOES_ON.fullmatch(before.split()[-1])


def _ends_sentence(before: str, text: str, at: int, to: int, end: int) -> bool:
    if to < end and not text[to].isspace():
        # A blank may be missing: "effusion.No".
        return to == at + 1 and text[to].isupper() and before[-1:] in "abcdefghijklmnopqrstuvwxyz)"
    if text[at] == "?" and (not before or text[to : to + 3].lstrip()[:1].islower()):
        return False  # "? pneumonia"
    last = before[-14:].split()[-1:]
    return not last or not _ABBREVIATION.fullmatch(last[0])


def _trimmed(text: str, begin: int, end: int) -> tuple[int, int] | None:
    piece = text[begin:end]
    bare = piece.lstrip()
    if not bare:
        return None
    begin += len(piece) - len(bare)
    return begin, begin + len(bare.rstrip())
