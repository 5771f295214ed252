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

FINDING, OTHER, STRUCTURE = "finding", "other", "structure"
NORMAL, ABNORMAL = "normal", "abnormal"
NOT_BEFORE, NOT_AFTER = "not before", "not after"
MAYBE_BEFORE, MAYBE_AFTER, HINT_BEFORE = "maybe before", "maybe after", "hint before"
STOP, RESET, SKIP = "stop", "reset", "skip"

KINDS = {
    FINDING: "names a finding of the label in `of`, or of several",
    OTHER: "names an abnormality that is none of the 13: the study is no No Finding",
    STRUCTURE: "names the structure in `of`",
    NORMAL: "calls the structures in `of` normal",
    ABNORMAL: "calls the structures in `of` abnormal",
    NOT_BEFORE: "denies what follows",
    NOT_AFTER: "denies what comes before",
    MAYBE_BEFORE: "makes what follows uncertain",
    MAYBE_AFTER: "makes what comes before uncertain",
    HINT_BEFORE: "makes what follows uncertain, unless it is denied already",
    STOP: "ends every scope",
    RESET: "begins an assertion: what denies or doubts before it counts no longer",
    SKIP: "takes away its words: what follows in the clause is no finding of today",
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
    normal: dict[tuple[str, str], tuple[str, ...]]
    """`(structure, "normal" or "abnormal")` -> labels that are negative, or positive."""


def tokens(sentence: str) -> list[tuple[str, int, int]]:
    """Give the words of a sentence in lower case, and where each begins and ends."""
    return [
        (found.group().lower(), found.start(), found.end())
        for found in _TOKEN.finditer(sentence)
        if not _GONE.fullmatch(found.group())
    ]


@functools.cache
def vocabulary() -> Vocabulary:
    """Load both tables, once.

    Raises:
        TableError: A table holds what it must not hold.
    """
    normal = _normal(_rows("normal.csv", ("structure", "state", "labels", "source")))
    structures = {structure for structure, _ in normal}
    words: dict[str, Any] = {}
    for at, row in _rows("words.csv", ("kind", "of", "phrase", "source")):
        entry = _entry(at, row, structures)
        for phrase in _phrases(at, row["phrase"]):
            node = words
            for word in phrase:
                node = node.setdefault(word, {})
            known = node.setdefault("", entry)
            if known.kind != entry.kind or (known == entry and known is not entry):
                raise TableError(
                    f"{at}: the phrase {' '.join(phrase)!r} stands there twice, as {known.kind} "
                    f"and as {entry.kind}."
                )
            if known is not entry:
                node[""] = Entry(entry.kind, known.of + entry.of)
    return Vocabulary(words, normal)


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
    allowed = {
        FINDING: set(LABELS),
        STRUCTURE: structures,
        NORMAL: structures,
        ABNORMAL: structures,
    }
    for name in of:
        if name not in allowed.get(kind, ()):
            raise TableError(f"{at}: of is {name!r}, which {kind} does not know.")
    if kind in allowed and not of:
        raise TableError(f"{at}: of is empty; {kind} needs it.")
    if not row["source"]:
        raise TableError(f"{at}: source is empty.")
    return Entry(kind, of)


def _normal(rows: Iterator[tuple[str, dict[str, str]]]) -> dict[tuple[str, str], tuple[str, ...]]:
    known: dict[tuple[str, str], tuple[str, ...]] = {}
    for at, row in rows:
        labels = tuple(filter(None, row["labels"].split(";")))
        if row["state"] not in (NORMAL, ABNORMAL):
            raise TableError(f"{at}: state is {row['state']!r}; expected normal or abnormal.")
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
