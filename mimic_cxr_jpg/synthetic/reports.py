"""Invented MIMIC-CXR reports: what `sentences` says, in the shapes that real reports have.

What is true to the release: the shapes (`SHAPES`); `___` where text was de-identified; body lines
that begin with one space; blank lines that hold one space; LF line ends. A report says the labels
of its study, and no other, in the section from which labels are read: 1 is stated, 0 is denied, -1
is said to be possible.

What is not: the wording, which varies far less than radiologists' own; how often each shape comes
up; and the length, about half that of a real report.
"""

from __future__ import annotations

import random
import textwrap
from collections.abc import Callable, Sequence

from mimic_cxr_jpg.synthetic.sentences import (
    EXAMS,
    Labels,
    comparison,
    findings,
    impression,
    reason,
)

_TITLE = " " * 33 + "FINAL REPORT"
_RULE = "_" * 78
_BLANK = "\n \n"  # A blank line holds one space.


def report_text(shape: str, labels: Labels, rng: random.Random) -> str:
    """Write one report.

    Args:
        shape: One of `SHAPES`.
        labels: The study's labels that are not blank: 1 positive, 0 negative, -1 uncertain.
        rng: Draws what the labels do not decide.

    Returns:
        The text, with LF line ends and one at its end.
    """
    return SHAPES[shape](labels, rng) + "\n"


# --- how its lines are set ------------------------------------------------------------------------


def _lines(text: str, indent: str = " ") -> str:
    return "\n".join(textwrap.wrap(text, 76, initial_indent=indent, subsequent_indent=" "))


def _section(header: str, text: str, indent: str = " ") -> str:
    """Set a section whose text begins on the line of its header."""
    return _lines(f"{header}:  {text}", indent)


def _tall_section(header: str, text: str) -> str:
    """Set a section whose text begins after a blank line."""
    return f" {header}: {_BLANK}{_lines(text)}"


def _report(*blocks: str, title: str = _TITLE) -> str:
    return f"{title}\n{_BLANK.join(blocks)}"


# --- the shapes -----------------------------------------------------------------------------------


def _standard(labels: Labels, rng: random.Random) -> str:
    section = rng.choice((_section, _tall_section))
    return _report(
        _section("EXAMINATION", rng.choice(EXAMS)),
        _section("INDICATION", reason(rng)),
        _section("TECHNIQUE", "Chest, ___ views."),
        _section("COMPARISON", comparison(rng)),
        section("FINDINGS", findings(labels, rng)),
        section("IMPRESSION", impression(labels, rng)),
    )


def _history_and_impression(labels: Labels, rng: random.Random) -> str:
    return _report(
        _section("HISTORY", reason(rng)),
        _section("IMPRESSION", f"Compared with ___. {impression(labels, rng)}"),
    )


def _addendum(labels: Labels, rng: random.Random) -> str:
    addendum = _report(
        _section("ADDENDUM", "The side named in the first report was corrected by Dr. ___ at ___."),
        title=" " * 33 + "FINAL ADDENDUM",
    )
    return f"{addendum}\n{_RULE}\n{_standard(labels, rng)}"


def _wet_read(labels: Labels, rng: random.Random) -> str:
    wet_read = _report(
        _section("WET READ", f"___ ___ 7:42 PM {impression(labels, rng)}"),
        title=" " * 33 + "PRELIMINARY REPORT",
    )
    return f"{wet_read}\n{_RULE}\n{_standard(labels, rng)}"


def _repeated_headers(labels: Labels, rng: random.Random) -> str:
    return _report(
        _section("INDICATION", reason(rng)),
        _section("COMPARISON", "None."),
        _section("FINDINGS", "Two views were obtained at ___."),
        _section("IMPRESSION", "See below."),
        _section("COMPARISON", "Chest radiograph from ___."),
        _section("FINDINGS", findings(labels, rng)),
        _section("IMPRESSION", impression(labels, rng)),
    )


def _lower_case_headers(labels: Labels, rng: random.Random) -> str:
    return _report(
        _section("INDICATION", reason(rng)),
        _section("Comparison", comparison(rng)),
        _section("findings", findings(labels, rng)),
        _section("Impression", impression(labels, rng)),
    )


def _unindented_headers(labels: Labels, rng: random.Random) -> str:
    return _report(
        _section("INDICATION", reason(rng), indent=""),
        _section("FINDINGS", findings(labels, rng), indent=""),
        _section("IMPRESSION", impression(labels, rng)),
    )


def _findings_only(labels: Labels, rng: random.Random) -> str:
    return _report(
        _section("INDICATION", reason(rng)),
        _section("COMPARISON", comparison(rng)),
        _tall_section("FINDINGS", f"{findings(labels, rng)} {impression(labels, rng)}"),
    )


def _empty_impression(labels: Labels, rng: random.Random) -> str:
    return _report(
        _section("INDICATION", reason(rng)),
        _section("FINDINGS", f"{findings(labels, rng)} {impression(labels, rng)}"),
        " IMPRESSION: ",
        " ",
    )


def _last_paragraph(labels: Labels, rng: random.Random) -> str:
    return _report(_section("REASON FOR EXAM", reason(rng)), _lines(findings(labels, rng)))


def _no_header(labels: Labels, rng: random.Random) -> str:
    return _report(
        _lines(f"Portable film of ___. {findings(labels, rng)}"), _lines(impression(labels, rng))
    )


def _misspelt_indication(labels: Labels, rng: random.Random) -> str:
    return _report(
        _section("NDICATION", reason(rng)),
        _section("COMPARISON", comparison(rng)),
        _section("FINDINGS", findings(labels, rng)),
        _section("IMPRESSION", impression(labels, rng)),
    )


def _procedure_header(labels: Labels, rng: random.Random) -> str:
    return _report(
        _section("HISTORY", reason(rng)),
        _section("PA AND LATERAL CHEST", findings(labels, rng)),
        _section("IMPRESSION", impression(labels, rng)),
    )


def _notification(labels: Labels, rng: random.Random) -> str:
    return _report(
        _section("INDICATION", reason(rng)),
        _tall_section("FINDINGS", findings(labels, rng)),
        _tall_section("IMPRESSION", impression(labels, rng)),
        _section("RECOMMENDATION(S)", "Repeat the film in ___ weeks."),
        _section("NOTIFICATION", "Dr. ___ was told by telephone at 10:15 on ___."),
    )


SHAPES: dict[str, Callable[[Labels, random.Random], str]] = {
    "standard": _standard,
    "history and impression": _history_and_impression,
    "addendum first": _addendum,
    "wet read": _wet_read,
    "repeated headers": _repeated_headers,
    "lower-case headers": _lower_case_headers,
    "unindented headers": _unindented_headers,
    "findings only": _findings_only,
    "empty impression": _empty_impression,
    "last paragraph": _last_paragraph,
    "no header": _no_header,
    "misspelt indication": _misspelt_indication,
    "procedure as header": _procedure_header,
    "recommendation and notification": _notification,
}
"""Name of a shape -> the function that writes it. The first is by far the most common."""


def draw_shapes(count: int, rng: random.Random) -> Sequence[str]:
    """Draw `count` shapes: each once if that is enough for all; most of the rest are standard."""
    names = list(SHAPES)
    rest = [
        names[0] if rng.random() < 0.6 else rng.choice(names)
        for _ in range(max(0, count - len(names)))
    ]
    shapes = [*names, *rest][:count]
    rng.shuffle(shapes)
    return shapes
