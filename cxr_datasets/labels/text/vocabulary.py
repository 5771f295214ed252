"""The words that the rules know, loaded from the tables beside this module.

`words.csv` has a row for each phrase, or several: `a|b` is either word, `[a]` may be left out.
`structures.csv` says what it means for the labels that a structure is normal, abnormal or unclear.
"""

from __future__ import annotations

import csv
import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import TableError

if TYPE_CHECKING:
    from importlib.abc import Traversable  # elsewhere from Python 3.14 on

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
    FRESH: "the same after a comma or `with`, unless the list ends with `or`",
    SKIP: "takes away its words: what follows, up to a comma at least, is no finding of today",
    PLAIN: "means nothing, though a part of it would",
    OR: "links alternatives: each of them is uncertain",
    AND: "links what holds together",
    COMMA: "parts a list, or clauses",
    FILLER: "may stand within a phrase of several words: no `significant` change",
}
"""What a row of `words.csv` may be."""

_STATES = (NORMAL, ABNORMAL, UNCLEAR)

_TOKEN = re.compile(r"[A-Za-z0-9]+(?:'[A-Za-z]+)?|[,:;()/?]")
"""A word, or a mark that counts. A hyphen, and `___` for what was taken out, are blanks."""

_MARKS = ",;:()/?"
_PLAIN = bytes(code if chr(code).isalnum() or chr(code) in _MARKS else 32 for code in range(256))
"""Translates everything else to blanks; as bytes, at a tenth of the cost."""

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
    heads: dict[str, tuple[Entry | None, dict[str, Any] | None]]
    """By first word, the phrase that is this word alone, and its dict if others begin with it."""


def tokens(sentence: str) -> list[tuple[str, int, int]]:
    """Give the words of a sentence in lower case, and where each begins and ends."""
    return [
        (found.group().lower(), found.start(), found.end())
        for found in _TOKEN.finditer(sentence)
        if not _GONE.fullmatch(found.group())
    ]


def words_of(sentence: str) -> list[str]:
    """Give the words of a sentence alone, as `tokens` does."""
    if not sentence.isascii():  # in lower case, some letters are two
        return [word for word, _, _ in tokens(sentence)]
    lower = sentence.lower()
    if "'" in lower:
        words = _TOKEN.findall(lower)
    else:  # the same in a third of the time
        plain = lower.encode().translate(_PLAIN).decode()
        for mark in _MARKS:
            if mark in plain:
                plain = plain.replace(mark, f" {mark} ")
        words = plain.split()
    return [word for word in words if not _GONE.fullmatch(word)] if "xxx" in lower else words


def is_gone(word: str) -> bool:
    """Whether a word marks what was taken out, and so is none."""
    return _GONE.fullmatch(word) is not None


@functools.cache
def vocabulary() -> Vocabulary:
    """Give the vocabulary of this package; it is loaded once."""
    return load(resources.files("cxr_datasets.labels.text"))


def load(folder: Traversable) -> Vocabulary:
    """Load `words.csv` and `structures.csv`.

    Args:
        folder: Where they lie.

    Raises:
        TableError: A table holds what it must not hold.
    """
    states = _states(_rows(folder / "structures.csv", ("structure", "state", "labels", "source")))
    structures = {structure for structure, _ in states}
    words: dict[str, Any] = {}
    fillers: set[str] = set()
    for at, row in _rows(folder / "words.csv", ("kind", "of", "phrase", "source")):
        entry = _entry(at, row, structures)
        for phrase in _phrases(at, row["phrase"]):
            if entry.kind == FILLER:
                fillers.update(phrase)
            else:
                _add(words, phrase, entry, at)
    heads = {
        word: (node.get(""), node if node.keys() - {""} else None) for word, node in words.items()
    }
    return Vocabulary(words, frozenset(fillers), states, heads)


def _rows(table: Traversable, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Give the rows of a table, each with where it stands."""
    reader = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    if tuple(reader.fieldnames or ()) != tuple(columns):
        found = list(reader.fieldnames or ())
        raise TableError(f"{table.name}, line 1: expected columns {list(columns)}, not {found}.")
    for row in reader:
        at = f"{table.name}, line {reader.line_num}"
        if None in row or None in row.values():
            raise TableError(f"{at}: expected {len(columns)} cells. Quote a cell with a comma.")
        if not row["source"]:
            raise TableError(f"{at}: source is empty. Say where the row is from.")
        yield at, row


def _states(rows: Iterator[tuple[str, dict[str, str]]]) -> dict[tuple[str, str], tuple[str, ...]]:
    known: dict[tuple[str, str], tuple[str, ...]] = {}
    for at, row in rows:
        _check(at, "state", [row["state"]], _STATES)
        labels = tuple(row["labels"].split(";"))
        _check(at, "labels", labels, (*LABELS, OTHER))
        if known.setdefault((row["structure"], row["state"]), labels) is not labels:
            raise TableError(f"{at}: {row['structure']}, {row['state']} stands there already.")
    return known


def _entry(at: str, row: dict[str, str], structures: set[str]) -> Entry:
    kind, of = row["kind"], tuple(filter(None, row["of"].split(";")))
    _check(at, "kind", [kind], tuple(KINDS))
    if kind in (FINDING, SIGN):
        _check(at, "of", of or ("",), LABELS)
    elif kind == STRUCTURE or kind in _STATES:
        _check(at, "of", of or ("",), sorted(structures))
    elif of:
        raise TableError(f"{at}: of is {row['of']!r}; a row of kind {kind!r} has none.")
    return Entry(kind, of)


def _check(at: str, column: str, found: Sequence[str], allowed: Sequence[str]) -> None:
    for name in found:
        if name not in allowed:
            raise TableError(f"{at}: {column} is {name!r}; expected one of {list(allowed)}.")


def _phrases(at: str, written: str) -> Iterator[tuple[str, ...]]:
    """Write out every phrase that a cell stands for."""
    slots = [
        [*slot.strip("[]").split("|"), *([""] if slot.startswith("[") else [])]
        for slot in written.split()
    ]
    for chosen in itertools.product(*slots):
        phrase = tuple(word for word, _, _ in tokens(" ".join(chosen)))
        if not phrase:
            raise TableError(f"{at}: phrase is {written!r}, which may be no word at all.")
        yield phrase


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
