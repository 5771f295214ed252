"""The gallery shows every script with its picture, and the scripts keep to their form."""

from __future__ import annotations

import re

import PIL.Image
import pytest

from tests.examples.scripts import EXAMPLES, SCRIPTS, WITHOUT_PICTURE, commands, docstring

README = (EXAMPLES / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_short_and_says_what_one_learns(script: str) -> None:
    text = (EXAMPLES / f"{script}.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    assert "learn:" in docstring(script)
    assert commands(script)[0][:2] == ["cxr", "synthesize"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_gallery_has_a_line_for_every_script_and_its_picture(script: str) -> None:
    assert re.search(rf"^\[{script}\.py\]\({script}\.py\): ", README, re.MULTILINE)
    picture = EXAMPLES / "pictures" / f"{script}.png"
    if script in WITHOUT_PICTURE:
        assert not picture.exists()
    else:
        assert f"](pictures/{script}.png)" in README
        assert picture.stat().st_size < 400_000
        with PIL.Image.open(picture) as image:
            assert image.format == "PNG"


def test_no_picture_is_left_over() -> None:
    drawn = {file.stem for file in (EXAMPLES / "pictures").iterdir()}
    assert drawn == {*SCRIPTS} - {*WITHOUT_PICTURE}


def test_the_gallery_makes_the_releases_that_the_scripts_name() -> None:
    for script in SCRIPTS:
        for words in commands(script):
            if words[0] == "cxr":
                assert " ".join(words) in README
