"""Why a text has the labels that it has."""

from __future__ import annotations

from typing import NamedTuple

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import OptionError
from cxr_datasets.labels.names import NO_FINDING
from cxr_datasets.labels.text.mentions import Mention, mentions
from cxr_datasets.labels.text.sentences import spans
from cxr_datasets.labels.text.verdict import BITS, values
from cxr_datasets.labels.text.vocabulary import OTHER, tokens

_HEADS = ("label", "value", "phrase", "rule", "at", "sentence")


class Reason(NamedTuple):
    """One place of a text that speaks of a label, or `No Finding`, which follows from the rest."""

    label: str
    value: int
    """What this place says: 1 positive, 0 negative, -1 uncertain. For `No Finding`, 0 is what
    speaks against it and has no label of its own."""
    decides: bool
    """Whether the label has this value because of it."""
    phrase: str
    rule: str
    start: int
    """Where the phrase begins in the text."""
    end: int
    sentence: str


class Explanation(tuple[Reason, ...]):
    """Every reason, by label and then as they stand in the text; prints as a table."""

    def __str__(self) -> str:
        rows = [_HEADS, *(_cells(reason) for reason in self)]
        widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADS) - 1)]
        return "\n".join(
            "  ".join(
                [*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]
            )
            for row in rows
        )


def explain(text: str) -> Explanation:
    """Tell why `label_text` gives a text its labels.

    Args:
        text: What `label_text` takes.

    Returns:
        A `Reason` for each place that speaks of a label, in the order of `LABELS`. Labels that are
        not mentioned have none.

    Raises:
        OptionError: `text` is no text.
    """
    if not isinstance(text, str):
        raise OptionError(f"text is a {type(text).__name__}; expected a str.")
    found = [
        (begin, text[begin:end], mention)
        for begin, end in spans(text)
        for mention in mentions(text[begin:end])
    ]
    marks = 0
    for _, _, mention in found:
        marks |= BITS[mention.label, mention.value]
    decided = dict(zip(LABELS, values(marks), strict=True))
    reasons = [
        _reason(begin, sentence, mention, decided)
        for begin, sentence, mention in found
        if mention.label != OTHER or mention.value != 0
    ]
    if decided[NO_FINDING] == 1:
        reasons.append(Reason(NO_FINDING, 1, True, "", "nothing abnormal", 0, 0, ""))
    return Explanation(sorted(reasons, key=lambda reason: LABELS.index(reason.label)))


def _reason(begin: int, sentence: str, mention: Mention, decided: dict[str, int | None]) -> Reason:
    places = tokens(sentence)
    start, end = places[mention.first][1], places[mention.last - 1][2]
    label, value = mention.label, mention.value
    if label == OTHER:
        label, value = NO_FINDING, 0
    return Reason(
        label,
        value,
        decided[label] == value,
        sentence[start:end],
        mention.rule,
        begin + start,
        begin + end,
        sentence,
    )


def _cells(reason: Reason) -> tuple[str, ...]:
    value = f"{reason.value}" if reason.decides else f"({reason.value})"
    place = f"{reason.start}-{reason.end}" if reason.end else ""
    phrase, sentence = (" ".join(part.split()) for part in (reason.phrase, reason.sentence))
    return reason.label, value, phrase, reason.rule, place, sentence
