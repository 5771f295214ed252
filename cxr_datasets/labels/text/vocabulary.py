"""The words that the rules know, loaded from the tables beside this module.

`words.csv` has a row for each phrase. In a phrase, `a|b` is either word and `[a]` may be left out.
`normal.csv` says what a normal and an abnormal structure mean for the labels.
"""

from __future__ import annotations

import csv
import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any, NamedTuple

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import TableError

FINDING, SIGN, OTHER, STRUCTURE = "finding", "sign", "other", "structure"
NORMAL, ABNORMAL, UNCLEAR = "normal", "abnormal", "unclear"
NOT_BEFORE, NOT_AFTER = "not before", "not after"
MAYBE_BEFORE, MAYBE_AFTER, HINT_BEFORE = "maybe before", "maybe after", "hint before"
STOP, RESET, FRESH, SKIP, PLAIN = "stop", "reset", "fresh", "skip", "plain"
OR, AND, COMMA, FILLER = "or", "and", "comma", "filler"

KINDS = {
    FINDING: "names a finding of the label in `of`, or of several",
    SIGN: "names what may mean the label in `of`: uncertain where it is stated",
    OTHER: "names an abnormality that is none of the 13: the study is no No Finding",
    STRUCTURE: "names the structure in `of`, or several",
    NORMAL: "calls the structures in `of` normal",
    ABNORMAL: "calls the structures in `of` abnormal",
    UNCLEAR: "calls the structures in `of` neither: stable, borderline",
    NOT_BEFORE: "denies what follows",
    NOT_AFTER: "denies what comes before",
    MAYBE_BEFORE: "makes what follows uncertain",
    MAYBE_AFTER: "makes what comes before uncertain",
    HINT_BEFORE: "makes what follows uncertain, unless it is denied already",
    STOP: "ends every scope",
    RESET: "begins an assertion: what denies or doubts before it counts no longer",
    FRESH: "the same after a comma, unless the list ends with `or`",
    SKIP: "takes away its words: what follows in the clause is no finding of today",
    PLAIN: "means nothing, though a part of it would",
    OR: "links alternatives: each of them is uncertain",
    AND: "links what holds together",
    COMMA: "parts a list, or clauses",
    FILLER: "may stand within a phrase of several words: no `significant` change",
}
"""What a row of `words.csv` may be."""

_TOKEN = re.compile(r"[A-Za-z0-9]+(?:'[A-Za-z]+)?|[,;:()/?]")
"""A word, or a mark that counts. A hyphen, and `___` for what was taken out, are blanks."""

_GONE = re.compile(r"[Xx]{3,}")
"""The mark of another collection for what was taken out."""


class Entry(NamedTuple):
    """A phrase of the vocabulary."""

    kind: str
    of: tuple[str, ...]


class Vocabulary(NamedTuple):
    """Everything that the rules know."""

    words: dict[str, Any]
    """By first word, a dict by second word, and so on; under `""`, the `Entry` that ends there."""
    fillers: frozenset[str]
    """Words that may stand within a phrase."""
    states: dict[tuple[str, str], tuple[str, ...]]
    """`(structure, "normal", "abnormal" or "unclear")` -> labels that are negative, and so on."""


def tokens(sentence: str) -> list[tuple[str, int, int]]:
    """Give the words of a sentence in lower case, and where each begins and ends."""
    return [
        (found.group().lower(), found.start(), found.end())
        for found in _TOKEN.finditer(sentence)
        if not _GONE.fullmatch(found.group())
    ]


def words_of(sentence: str) -> list[str]:
    """Give the words of a sentence alone, as `tokens` does."""
    if not sentence.isascii():  # in lower case, some letters are longer
        return [word for word, _, _ in tokens(sentence)]
    lower = sentence.lower()
    words = _TOKEN.findall(lower)
    return [word for word in words if not _GONE.fullmatch(word)] if "xxx" in lower else words


@functools.cache
def vocabulary() -> Vocabulary:
    """Load both tables, once.

    Raises:
        TableError: A table holds what it must not hold.
    """
    states = _states(_rows("structures.csv", ("structure", "state", "labels", "source")))
    structures = {structure for structure, _ in states}
    words: dict[str, Any] = {}
    fillers: set[str] = set()
    for at, row in _rows("words.csv", ("kind", "of", "phrase", "source")):
        entry = _entry(at, row, structures)
        for phrase in _phrases(at, row["phrase"]):
            if entry.kind == FILLER:
                fillers.update(phrase)
            else:
                _add(words, phrase, entry, at)
    return Vocabulary(words, frozenset(fillers), states)


def _add(words: dict[str, Any], phrase: tuple[str, ...], entry: Entry, at: str) -> None:
    node = words
    for word in phrase:
        node = node.setdefault(word, {})
    known = node.setdefault("", entry)
    if known.kind != entry.kind or (known is not entry and set(known.of) & set(entry.of)):
        raise TableError(
            f"{at}: the phrase {' '.join(phrase)!r} stands there already, as {known.kind} "
            f"of {';'.join(known.of) or 'nothing'}."
        )
    if known is not entry:
        node[""] = Entry(entry.kind, known.of + entry.of)


def _rows(name: str, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Give the rows of a table, each with where it stands."""
    with resources.files(__package__).joinpath(name).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != tuple(columns):
            raise TableError(
                f"{name}, line 1: the columns are {reader.fieldnames}; expected {list(columns)}."
            )
        for row in reader:
            at = f"{name}, line {reader.line_num}"
            if None in row or None in row.values():
                raise TableError(f"{at}: expected {len(columns)} cells.")
            yield at, row


def _entry(at: str, row: dict[str, str], structures: set[str]) -> Entry:
    kind, of = row["kind"], tuple(filter(None, row["of"].split(";")))
    if kind not in KINDS:
        raise TableError(f"{at}: kind is {kind!r}; expected one of {list(KINDS)}.")
    allowed = dict.fromkeys((STRUCTURE, NORMAL, ABNORMAL, UNCLEAR), structures)
    allowed |= dict.fromkeys((FINDING, SIGN), set(LABELS))
    for name in of:
        if name not in allowed.get(kind, ()):
            raise TableError(f"{at}: of is {name!r}, which {kind} does not know.")
    if kind in allowed and not of:
        raise TableError(f"{at}: of is empty; {kind} needs it.")
    if not row["source"]:
        raise TableError(f"{at}: source is empty.")
    return Entry(kind, of)


def _states(rows: Iterator[tuple[str, dict[str, str]]]) -> dict[tuple[str, str], tuple[str, ...]]:
    known: dict[tuple[str, str], tuple[str, ...]] = {}
    for at, row in rows:
        labels = tuple(filter(None, row["labels"].split(";")))
        if row["state"] not in (NORMAL, ABNORMAL, UNCLEAR):
            raise TableError(
                f"{at}: state is {row['state']!r}; expected normal, abnormal or unclear."
            )
        for label in labels:
            if label not in LABELS and label != OTHER:
                raise TableError(f"{at}: there is no label {label!r}.")
        known[row["structure"], row["state"]] = labels
    return known


def _phrases(at: str, written: str) -> Iterator[tuple[str, ...]]:
    """Write out every phrase that a cell stands for."""
    slots = [
        [*slot.strip("[]").split("|"), *([""] if slot.startswith("[") else [])]
        for slot in written.split()
    ]
    count = 0
    for chosen in itertools.product(*slots):
        phrase = tuple(word for word, _, _ in tokens(" ".join(chosen)))
        if not phrase:
            raise TableError(f"{at}: the phrase {written!r} may be empty.")
        count += 1
        yield phrase
    if not count:
        raise TableError(f"{at}: phrase is empty.")
