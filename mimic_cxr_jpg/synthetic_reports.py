"""Invented MIMIC-CXR reports: the shapes that real ones have, filled with made-up sentences.

True to the release: the shapes (`SHAPES`), `___` where text was de-identified, body lines that
begin with one space, blank lines that hold one space, LF line ends. What a report says agrees with
the labels of its study: 1 is stated, 0 is denied, -1 is said to be possible.
Not true to it: the wording, which was written for this module and is far more uniform than
radiologists' own; how often each shape comes up; and length, which is about half of a real report.
"""

from __future__ import annotations

import random
import textwrap
from collections.abc import Callable, Mapping, Sequence

# For each label: what a report says of 1, of 0 and of -1.
_SENTENCES: dict[str, tuple[str, str, str]] = {
    "Atelectasis": (
        "There is streaky atelectasis at the left base.",
        "No atelectasis is seen.",
        "Faint basal streaks may be atelectasis.",
    ),
    "Cardiomegaly": (
        "The heart is moderately enlarged.",
        "Heart size is normal.",
        "The heart is perhaps mildly enlarged, allowing for the projection.",
    ),
    "Consolidation": (
        "There is consolidation in the right lower lobe.",
        "There is no consolidation.",
        "Early consolidation in the right lower lobe cannot be ruled out.",
    ),
    "Edema": (
        "There is moderate pulmonary edema.",
        "There is no pulmonary edema.",
        "Hazy vessels raise the question of mild pulmonary edema.",
    ),
    "Enlarged Cardiomediastinum": (
        "The mediastinal contour is widened.",
        "The mediastinal contour is not widened.",
        "The mediastinal contour is possibly widened, which may be positional.",
    ),
    "Fracture": (
        "There is a healing fracture of the left seventh rib.",
        "No fracture is seen.",
        "Irregularity of a left rib may be a fracture.",
    ),
    "Lung Lesion": (
        "A 9 mm nodule projects over the left mid lung.",
        "There is no nodule or mass.",
        "A round density at the left apex may be a nodule.",
    ),
    "Lung Opacity": (
        "There is a patchy opacity in the right mid lung.",
        "There is no focal opacity.",
        "A vague opacity in the right mid lung may be overlap of vessels.",
    ),
    "Pleural Effusion": (
        "There is a small left pleural effusion.",
        "There is no pleural effusion.",
        "A trace left pleural effusion is possible.",
    ),
    "Pleural Other": (
        "There is pleural thickening at the right apex.",
        "There is no pleural thickening.",
        "Apical shading may be pleural thickening.",
    ),
    "Pneumonia": (
        "The appearance is that of pneumonia.",
        "There is no pneumonia.",
        "This could be pneumonia in the right setting.",
    ),
    "Pneumothorax": (
        "There is a small right apical pneumothorax.",
        "There is no pneumothorax.",
        "A tiny right apical pneumothorax is not excluded.",
    ),
    "Support Devices": (
        "A right-sided line ends in the lower superior vena cava.",
        "The central line has been removed.",
        "A faint linear density may be a retained line.",
    ),
}
FINDINGS = tuple(_SENTENCES)
"""The 13 labels that name something to be seen; the 14th is No Finding."""

_CLEAR = "The lungs are clear and the heart and mediastinum are within normal limits."
# Said of a study on which the labeller found nothing to label.
_SILENT = "The study is limited by the position of the patient. Dr. ___ was told by telephone."

_TITLE = " " * 33 + "FINAL REPORT"
_RULE = "_" * 78
_BLANK = "\n \n"  # A blank line holds one space.

_REASONS = (
    "___-year-old woman with cough and fever.",
    "___M with shortness of breath, evaluate for ___.",
    "___ year old man after line placement.",
    "___F with chest pain since ___. Evaluate for acute process.",
)
_COMPARISONS = ("None.", "Chest radiograph from ___.", "___.", "Chest radiographs of ___ and ___.")
_EXAMS = ("CHEST (PA AND LAT)", "CHEST (PORTABLE AP)", "Chest radiographs.")

_Labels = Mapping[str, int]


def report_text(shape: str, labels: _Labels, rng: random.Random) -> str:
    """Write one report.

    Args:
        shape: One of `SHAPES`.
        labels: The study's labels that are not blank: 1 positive, 0 negative, -1 uncertain.
        rng: Where reasons and comparisons are drawn from.

    Returns:
        The text, with LF line ends and one at its end.
    """
    return SHAPES[shape](labels, rng) + "\n"


# --- what a report says ---------------------------------------------------------------------------


def _findings(labels: _Labels) -> str:
    """Say everything that the labels hold."""
    said = [
        _SENTENCES[name][(1, 0, -1).index(v)] for name, v in labels.items() if name in _SENTENCES
    ]
    if labels.get("No Finding") == 1:
        said.insert(0, _CLEAR)
    return " ".join(["The images of ___ were read.", *(said or [_SILENT])])


def _impression(labels: _Labels) -> str:
    """Say what is present or possible, as a numbered list if that is more than one thing."""
    said = [
        _SENTENCES[name][0 if value == 1 else 2]
        for name, value in labels.items()
        if name in _SENTENCES and value != 0
    ]
    if len(said) > 1:
        return " ".join(f"{number}. {sentence}" for number, sentence in enumerate(said, 1))
    if said:
        return said[0]
    return _SILENT if not labels else "No acute cardiopulmonary process."


def _reason(rng: random.Random) -> str:
    return rng.choice(_REASONS)


def _comparison(rng: random.Random) -> str:
    return rng.choice(_COMPARISONS)


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


def _standard(labels: _Labels, rng: random.Random) -> str:
    section = rng.choice((_section, _tall_section))
    return _report(
        _section("EXAMINATION", rng.choice(_EXAMS)),
        _section("INDICATION", _reason(rng)),
        _section("TECHNIQUE", "Chest, ___ views."),
        _section("COMPARISON", _comparison(rng)),
        section("FINDINGS", _findings(labels)),
        section("IMPRESSION", _impression(labels)),
    )


def _history_and_impression(labels: _Labels, rng: random.Random) -> str:
    return _report(
        _section("HISTORY", _reason(rng)),
        _section("IMPRESSION", f"Compared with ___. {_impression(labels)}"),
    )


def _addendum(labels: _Labels, rng: random.Random) -> str:
    addendum = _report(
        _section("ADDENDUM", "The side named in the first report was corrected by Dr. ___ at ___."),
        title=" " * 33 + "FINAL ADDENDUM",
    )
    return f"{addendum}\n{_RULE}\n{_standard(labels, rng)}"


def _wet_read(labels: _Labels, rng: random.Random) -> str:
    wet_read = _report(
        _section("WET READ", f"___ ___ 7:42 PM {_impression(labels)}"),
        title=" " * 33 + "PRELIMINARY REPORT",
    )
    return f"{wet_read}\n{_RULE}\n{_standard(labels, rng)}"


def _repeated_headers(labels: _Labels, rng: random.Random) -> str:
    return _report(
        _section("INDICATION", _reason(rng)),
        _section("COMPARISON", "None."),
        _section("FINDINGS", "Two views were obtained at ___."),
        _section("IMPRESSION", "See below."),
        _section("COMPARISON", "Chest radiograph from ___."),
        _section("FINDINGS", _findings(labels)),
        _section("IMPRESSION", _impression(labels)),
    )


def _lower_case_headers(labels: _Labels, rng: random.Random) -> str:
    return _report(
        _section("INDICATION", _reason(rng)),
        _section("Comparison", _comparison(rng)),
        _section("findings", _findings(labels)),
        _section("Impression", _impression(labels)),
    )


def _unindented_headers(labels: _Labels, rng: random.Random) -> str:
    return _report(
        _section("INDICATION", _reason(rng), indent=""),
        _section("FINDINGS", _findings(labels), indent=""),
        _section("IMPRESSION", _impression(labels)),
    )


def _findings_only(labels: _Labels, rng: random.Random) -> str:
    return _report(
        _section("INDICATION", _reason(rng)),
        _section("COMPARISON", _comparison(rng)),
        _tall_section("FINDINGS", f"{_findings(labels)} {_impression(labels)}"),
    )


def _empty_impression(labels: _Labels, rng: random.Random) -> str:
    return _report(
        _section("INDICATION", _reason(rng)),
        _section("FINDINGS", f"{_findings(labels)} {_impression(labels)}"),
        " IMPRESSION: ",
        " ",
    )


def _last_paragraph(labels: _Labels, rng: random.Random) -> str:
    return _report(_section("REASON FOR EXAM", _reason(rng)), _lines(_findings(labels)))


def _no_header(labels: _Labels, rng: random.Random) -> str:
    return _report(
        _lines(f"Portable film of ___. {_findings(labels)}"), _lines(_impression(labels))
    )


def _misspelt_indication(labels: _Labels, rng: random.Random) -> str:
    return _report(
        _section("NDICATION", _reason(rng)),
        _section("COMPARISON", _comparison(rng)),
        _section("FINDINGS", _findings(labels)),
        _section("IMPRESSION", _impression(labels)),
    )


def _procedure_header(labels: _Labels, rng: random.Random) -> str:
    return _report(
        _section("HISTORY", _reason(rng)),
        _section("PA AND LATERAL CHEST", _findings(labels)),
        _section("IMPRESSION", _impression(labels)),
    )


def _notification(labels: _Labels, rng: random.Random) -> str:
    return _report(
        _section("INDICATION", _reason(rng)),
        _tall_section("FINDINGS", _findings(labels)),
        _tall_section("IMPRESSION", _impression(labels)),
        _section("RECOMMENDATION(S)", "Repeat the film in ___ weeks."),
        _section("NOTIFICATION", "Dr. ___ was told by telephone at 10:15 on ___."),
    )


SHAPES: dict[str, Callable[[_Labels, random.Random], str]] = {
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
"""Every shape of report, by name. The first is by far the most common."""


def draw_shapes(count: int, rng: random.Random) -> Sequence[str]:
    """Draw `count` shapes: each once if there are enough, three in five of the rest standard."""
    names = list(SHAPES)
    rest = [
        names[0] if rng.random() < 0.6 else rng.choice(names)
        for _ in range(max(0, count - len(names)))
    ]
    shapes = [*names, *rest][:count]
    rng.shuffle(shapes)
    return shapes
