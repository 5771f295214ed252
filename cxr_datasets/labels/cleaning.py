"""Ways to clean texts for training, each with a name. None is ever applied by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from cxr_datasets.errors import OptionError
from cxr_datasets.labels.names import names_of


def clean_text(text: str | None, recipe: str | Sequence[str]) -> str | None:
    """Clean one text by a recipe, or by several, one after the other.

    - `white_space`: each run of white space, line ends too, becomes one space.
    - `enumeration`: the numbers of a list go (`1.`, `2)`, `(3)`), where they begin a line or a
      sentence and count up from 1. Other numbers stay.
    - `marks`: what de-identification left goes, `___` and `XXXX`, with the white space before it.
    - `r2gen_one_line`, `r2gen_wrapped`: what R2Gen does before it trains (Chen et al., EMNLP 2020,
      `modules/tokenizers.py`), character by character: lower case, no list numbers up to 5, ` . `
      between sentences and at the end, and no other punctuation but hyphens. The second, which it
      uses where texts have line ends and `___`, takes these out first.

    Args:
        text: The text; None stays None.
        recipe: A name, or several in the order in which they are to be applied.

    Returns:
        The text without white space around it, but for R2Gen's, which keep what R2Gen does; None if
        nothing is left.

    Raises:
        OptionError: There is no such recipe, or `text` is no text.
    """
    names = names_of("recipe", recipe)
    for name in names:
        if name not in RECIPES:
            raise OptionError.unknown("recipe", name, RECIPES)
    if not names:
        raise OptionError(f"recipe is empty. Name at least one of: {', '.join(RECIPES)}.")
    if not isinstance(text, (str, type(None))):
        raise OptionError(f"text is of type {type(text).__name__}; expected one text, or None.")
    for name in names:
        text = None if text is None else _RECIPES[name](text) or None
    return text


# --- white space, numbers of lists, marks ---------------------------------------------------------


def _white_space(text: str) -> str:
    return " ".join(text.split())


_NUMBER = re.compile(r"(\A\s*|\n[ \t]*|[.:;!?]\s+)\(?(\d{1,2})[.)](?:\s+|\Z)")


def _enumeration(text: str) -> str:
    last = 0

    def take_out(match: re.Match[str]) -> str:
        nonlocal last
        number = int(match[2])
        if number not in (1, last + 1):
            return match[0]
        last = number
        return match[1]

    return _NUMBER.sub(take_out, text).strip()


_MARK = re.compile(r"(?<![ \t])[ \t]*(?:_{3,}|\bX{4,}\b)")


def _marks(text: str) -> str:
    return _MARK.sub("", text).strip()


# --- R2Gen's --------------------------------------------------------------------------------------

_LIST_NUMBERS = (
    ("1. ", ""),
    *((f". {number}. ", ". ") for number in range(2, 6)),
    *((f" {number}. ", ". ") for number in range(2, 6)),
)
_ONE_LINE = (*[("..", ".")] * 3, *_LIST_NUMBERS)
_WRAPPED = (
    ("\n", " "), *[("__", "_")] * 7, *[("  ", " ")] * 6, *[("..", ".")] * 8, *_LIST_NUMBERS,
)  # fmt: skip
"""What is replaced by what, step by step, each through the whole text once."""

_OUT_FIRST = str.maketrans("", "", "\"/\\'")
_OUT_LAST = str.maketrans("", "", ".,?;*!%^&_+():<=>@[]{}")
"""What goes before and after the white space around a sentence does. R2Gen writes the second as
a class of characters in which `:-[` is a range, so that `<=>@` go, and the hyphen stays."""


def _r2gen(text: str, replacements: Sequence[tuple[str, str]]) -> str:
    for old, new in replacements:
        text = text.replace(old, new)
    sentences = text.strip().lower().split(". ")
    cleaned = (one.translate(_OUT_FIRST).strip().translate(_OUT_LAST) for one in sentences)
    return f"{' . '.join(cleaned)} ."


_RECIPES: dict[str, Callable[[str], str]] = {
    "white_space": _white_space,
    "enumeration": _enumeration,
    "marks": _marks,
    "r2gen_one_line": lambda text: _r2gen(text, _ONE_LINE),
    "r2gen_wrapped": lambda text: _r2gen(text, _WRAPPED),
}

RECIPES: tuple[str, ...] = tuple(_RECIPES)
"""Names of all recipes."""
