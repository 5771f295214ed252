"""Recipes for texts: what each does, that it does no more, and R2Gen's against a transcription."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from cxr_datasets.errors import OptionError
from cxr_datasets.labels import RECIPES, clean_text

TEXT = " 1. Stable XXXX,\n   since ___.\n \n 2. No effusion (small)."


def test_each_recipe_does_what_the_page_says() -> None:
    assert {recipe: clean_text(TEXT, recipe) for recipe in RECIPES} == {
        "white_space": "1. Stable XXXX, since ___. 2. No effusion (small).",
        "enumeration": "Stable XXXX,\n   since ___.\n \n No effusion (small).",
        "marks": "1. Stable,\n   since.\n \n 2. No effusion (small).",
        "r2gen_one_line": "stable xxxx\n   since  . no effusion small .",
        "r2gen_wrapped": "stable xxxx since  . no effusion small .",
    }


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("1. a. 2. b. 3. c.", "a. b. c."),
        ("1) a\n 2) b", "a\n b"),
        ("(1) a; (2) b", "a; b"),
        ("1.  a.\n \n 2.  b.", "a.\n \n b."),
        ("1. a. 1. b. 2. c.", "a. b. c."),
        ("2. a. 3. b.", "2. a. 3. b."),
        ("1. a. 3. b.", "a. 3. b."),
        ("1. At T12. 2. b", "At T12. b"),
        ("1. 2. a", "2. a"),
        ("1.5 cm. 1.2 cm", "1.5 cm. 1.2 cm"),
        ("Seen in 1. 2. x", "Seen in 1. 2. x"),
        ("Nodule of 1 cm. 12 views.", "Nodule of 1 cm. 12 views."),
        ("a 1. b", "a 1. b"),
        ("1.", None),
    ],
)
def test_numbers_go_only_where_they_count_up_from_one(text: str, cleaned: str | None) -> None:
    assert clean_text(text, "enumeration") == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("___ year old with ___.", "year old with."),
        ("On ___, ___ and\n ___ there.", "On, and\n there."),
        ("XXXX-year-old, XXXXX", "-year-old,"),
        ("XXX, a_b, __, AXXXX, xxxx", "XXX, a_b, __, AXXXX, xxxx"),
        ("a  b", "a  b"),
        ("___", None),
    ],
)
def test_marks_go_and_what_is_like_them_stays(text: str, cleaned: str | None) -> None:
    assert clean_text(text, "marks") == cleaned


def test_recipes_are_applied_in_their_order() -> None:
    cleaned = clean_text(TEXT, ("enumeration", "marks", "white_space"))
    assert cleaned == "Stable, since. No effusion (small)."
    assert clean_text(TEXT, ["marks", "r2gen_wrapped"]) == "stable since . no effusion small ."
    assert (
        clean_text(TEXT, ["r2gen_wrapped", "marks"]) == "stable xxxx since  . no effusion small ."
    )


def test_a_text_is_not_changed_and_null_stays_null() -> None:
    before = str(TEXT)
    for recipe in RECIPES:
        clean_text(TEXT, recipe)
        assert clean_text(None, recipe) is None
    assert before == TEXT
    assert clean_text(None, RECIPES) is None


@pytest.mark.parametrize("text", ["", " ", "\n \n", "\x1c"])
def test_of_a_blank_text_nothing_is_left_but_by_r2gen_its_last_stop(text: str) -> None:
    assert [clean_text(text, recipe) for recipe in RECIPES[:3]] == [None] * 3
    assert [clean_text(text, recipe) for recipe in RECIPES[3:]] == [" ."] * 2
    assert clean_text(text, ["white_space", "r2gen_wrapped"]) is None


@pytest.mark.parametrize("recipe", ["r2gen", "White_space", "", ["white_space", "x"]])
def test_a_recipe_that_does_not_exist_is_refused_with_those_that_do(recipe: Any) -> None:
    with pytest.raises(OptionError, match=r"recipe='.*' is not known\. Choose from: 'white_space'"):
        clean_text("a", recipe)


def test_no_recipe_and_no_text_are_refused() -> None:
    with pytest.raises(OptionError, match=r"recipe is empty\. Name at least one of: white_space"):
        clean_text("a", [])
    for text in (5, ["a"], b"a"):
        with pytest.raises(OptionError, match=f"text is of type {type(text).__name__}; expected"):
            clean_text(text, "marks")  # type: ignore[arg-type]


# --- R2Gen's, against a transcription of its steps -----------------------------------------------


def replaced(text: str, old: str, new: str) -> str:
    """Replace from left to right, a character at a time, what does not overlap."""
    made, at = "", 0
    while at < len(text):
        if text[at : at + len(old)] == old:
            made, at = made + new, at + len(old)
        else:
            made, at = made + text[at], at + 1
    return made


def transcribed(text: str, lines: bool) -> str:
    """R2Gen's steps, written down one by one as its source has them."""
    if lines:
        text = replaced(text, "\n", " ")
        for _ in range(7):
            text = replaced(text, "__", "_")
        for _ in range(6):
            text = replaced(text, "  ", " ")
    for _ in range(8 if lines else 3):
        text = replaced(text, "..", ".")
    text = replaced(text, "1. ", "")
    for before in (". ", " "):
        for number in "2345":
            text = replaced(text, f"{before}{number}. ", ". ")
    text = text.strip().lower()
    sentences, at = [""], 0
    while at < len(text):
        if text[at : at + 2] == ". ":
            sentences.append("")
            at += 2
        else:
            sentences[-1] += text[at]
            at += 1
    cleaned = []
    for sentence in sentences:
        for mark in ('"', "/", "\\", "'"):
            sentence = replaced(sentence, mark, "")
        sentence = sentence.strip().lower()
        # The class is [.,?;*!%^&_+():-\[\]{}], in which :-\[ is a range.
        kept = [c for c in sentence if c not in ".,?;*!%^&_+()]{}" and not ":" <= c <= "["]
        cleaned.append("".join(kept))
    report = cleaned[0]
    for sentence in cleaned[1:]:
        report += " . " + sentence
    return report + " ."


PIECES = (
    *("Clear. ", "No EFFUSION", "1. ", " 2. ", ". 3. ", "4. ", " 5. ", " 6. ", "11. ", "T12. "),
    *(".", "..", "...." * 9, " ", "  ", " " * 70, "\n", "\n ", "\n \n", "___", "_" * 150, "\t"),
    *("(", ")", "[", "]", "{", "}", "<", "=", ">", "@", "^", "-", "_", "\\", "/", "'", '"', "#"),
    *(
        "?",
        ";",
        "*",
        "!",
        "%",
        "&",
        "+",
        ":",
        ",",
        "|",
        "~",
        "`",
        "$",
        "A",
        "Z",
        "É",
        "İ",
        "K",
        "ẞ",
    ),
    *("\r\n", "\x85", "\u2028", "\xa0", "😀", "\0", "x-ray", "XXXX", "3.5 cm", "7:15", "___ year"),
)


@pytest.mark.parametrize(("recipe", "lines"), [("r2gen_one_line", False), ("r2gen_wrapped", True)])
def test_r2gens_cleaners_give_what_a_transcription_of_their_steps_gives(
    recipe: str, lines: bool
) -> None:
    rng = random.Random(20)
    for _ in range(3_000):
        text = "".join(rng.choice(PIECES) for _ in range(rng.randrange(12)))
        assert clean_text(text, recipe) == transcribed(text, lines), repr(text)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("The heart is normal. Lungs are clear.", "the heart is normal . lungs are clear ."),
        ("1. No change. 2. Edema.", "no change . edema ."),
        ("Well-inflated [lungs] <1 cm @ base.", "well-inflated lungs 1 cm  base ."),
        ("11. ribs.. seen. ", "1ribs . seen ."),
        ("", " ."),
        ("...", " ."),
        ("A. . B.", "a .  . b ."),
    ],
)
def test_r2gens_cleaner_as_worked_out_by_hand(text: str, cleaned: str) -> None:
    assert clean_text(text, "r2gen_one_line") == clean_text(text, "r2gen_wrapped") == cleaned


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("piece", [" ", "\n", ".", "1. ", ". 2. ", "_", "X", "( ", "a", ". ", "\t"])
def test_the_time_for_a_huge_text_grows_with_its_length_and_no_faster(
    recipe: str, piece: str
) -> None:
    def seconds(size: int) -> float:
        text = "a" + piece * (size // len(piece))
        start = time.process_time()
        clean_text(text, recipe)
        return time.process_time() - start

    small = min(seconds(20_000) for _ in range(3))
    assert seconds(320_000) < 100 * small + 0.05  # 16 times as long a text


@pytest.mark.parametrize("recipe", [None, 5, b"marks", [["marks"]]])
def test_what_is_no_name_of_a_recipe_is_refused(recipe: Any) -> None:
    with pytest.raises(OptionError, match=r"^recipe"):
        clean_text("a", recipe)
