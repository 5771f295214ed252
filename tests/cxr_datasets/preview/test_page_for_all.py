"""The page of a preview is safe, and for everybody: contrast, names, focus, phones."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.browser import Browser

PHONE = {"width": 390, "height": 844}


# --- safety ---------------------------------------------------------------------------------------


def test_nothing_is_asked_of_the_network_and_the_console_is_silent(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    browser.evaluate("document.querySelector('input[name=view][value=\"1\"]').click()")
    browser.evaluate("document.querySelector('button.card').click()")
    browser.evaluate("document.querySelector('#theme').click()")
    others = [one for one in browser.requests if not one.startswith("data:image/")]
    assert others == [page.as_uri()]
    assert browser.complaints == []


def test_the_page_may_not_load_anything_even_if_something_in_it_asked(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    refused = browser.evaluate(
        "fetch('https://example.org/').then(() => 'fetched', error => error.name)"
    )
    assert refused == "TypeError"
    assert any("Content Security Policy" in line for line in browser.complaints)


# --- for everybody --------------------------------------------------------------------------------

CONTRASTS = """(() => {
    const rgb = text => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = one => {
        for (; one; one = one.parentElement) {
            const colour = rgb(getComputedStyle(one).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const one = walker.currentNode.parentElement;
        const text = walker.currentNode.textContent.trim();
        if (!text || !one.checkVisibility() || ['SCRIPT', 'STYLE', 'OPTION'].includes(one.tagName))
            continue;
        const pair = [light(rgb(getComputedStyle(one).color)), light(ground(one))].sort();
        found.push([(pair[1] + 0.05) / (pair[0] + 0.05), text.slice(0, 40)]);
    }
    return found;
})()"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("opened", [False, True], ids=["figures", "study"])
def test_every_text_has_the_contrast_of_wcag_aa(
    browser: Browser, page: Path, dark: bool, opened: bool
) -> None:
    browser.open(page, dark=dark)
    if opened:
        browser.evaluate("document.querySelector('button.card').click()")
    found = browser.evaluate(CONTRASTS)
    assert len(found) > 100
    assert [one for one in found if one[0] < 4.5] == []


def test_the_switch_makes_a_light_page_dark_and_light_again(browser: Browser, page: Path) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    browser.open(page, dark=True)
    dark = browser.evaluate(ground)
    browser.open(page)
    light = browser.evaluate(ground)
    assert light != dark
    seen = []
    for _ in range(2):
        browser.evaluate("document.getElementById('theme').click()")
        pressed = browser.evaluate("document.getElementById('theme').ariaPressed")
        seen.append((browser.evaluate(ground), pressed))
    assert seen == [(dark, "true"), (light, "false")]


def test_every_control_has_a_name_and_headings_and_landmarks_are_in_order(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    named = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes if not node["ignored"]
    ]  # fmt: skip
    controls = {"button", "radio", "combobox", "link", "img", "image", "table", "dialog", "search"}
    assert [one for one in named if one[0] in controls and not one[1]] == []
    roles = {role for role, _ in named}
    assert {"banner", "main", "search", "navigation", "contentinfo", "status", "radio"} <= roles
    levels = browser.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, h4')].map(one => Number(one.tagName[1]))"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert browser.evaluate("document.documentElement.lang") == "en"
    ids = browser.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(set(ids)) == len(ids)


def test_where_the_focus_is_can_be_seen_at_every_stop(browser: Browser, page: Path) -> None:
    browser.open(page)
    stops = []
    for _ in range(40):
        browser.press("Tab")
        stop, *seen = browser.evaluate(
            "(a => { const one = a.matches('fieldset input') ? a.nextElementSibling : a;"
            "const style = getComputedStyle(one); return [a.name || a.id || a.className ||"
            "a.tagName, parseFloat(style.outlineWidth), style.outlineStyle]; })"
            "(document.activeElement)"
        )
        if stop == "BODY":  # after the last one
            break
        stops.append(stop)
        assert seen[0] >= 2, stop
        assert seen[1] != "none", stop
    assert {"split", "view", "label", "state", "source", "theme", "card"} <= set(stops)


@pytest.mark.parametrize("opened", [False, True], ids=["figures", "study"])
def test_on_a_phone_nothing_reaches_beyond_the_screen(
    browser: Browser, page: Path, opened: bool
) -> None:
    browser.open(page, **PHONE)
    if opened:
        browser.evaluate("document.querySelector('button.card').click()")
    assert browser.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    beyond = browser.evaluate(
        "[...document.querySelectorAll('body *')].filter(one => one.checkVisibility() &&"
        "one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML.slice(0, 80))"
    )
    assert beyond == []
