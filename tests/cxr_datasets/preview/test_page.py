"""The page of a preview in a real browser: figures, filters, gallery and keys."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cxr_datasets.columns import LABELS, VIEWS
from cxr_datasets.preview.states import STATES
from tests.browser import Browser

SOURCES = ("labels", "labels_negbio", "labels_radiologist")


def chosen(
    rows: pd.DataFrame, split: str = "", view: str = "", label: str = "", state: str = "",
    source: str = "labels",
) -> pd.DataFrame:  # fmt: skip
    """The images that filters leave, by pandas."""
    if split:
        rows = rows[rows["split"] == split]
    if view:
        rows = rows[rows["view"] == VIEWS.index(view)]
    if state:
        wanted = [label] if label else LABELS
        rows = rows[[
            given is not None and any(state_of(given, one) == state for one in wanted)
            for given in rows[source]
        ]]  # fmt: skip
    return rows


def state_of(labels: dict[str, Any], label: str) -> str:
    value = labels[label]
    return next(
        state.name for state in STATES
        if (state.value is None and pd.isna(value)) or state.value == value
    )  # fmt: skip


def sizes(rows: pd.DataFrame) -> list[int]:
    return [len(rows), rows["study_id"].nunique(), rows["subject_id"].nunique()]


def shown(browser: Browser) -> list[int]:
    """The counts of images, studies and patients that the page shows."""
    return browser.evaluate(
        r"document.getElementById('shown').textContent.match(/[\d,]+ of/g).map(n => parseInt("
        "n.replaceAll(',', '')))"
    )


def table(browser: Browser, panel: str) -> dict[str, list[str]]:
    """The cells of a figure's table, by the name of their row."""
    found = browser.evaluate(
        f"""[...document.querySelectorAll('#figures section')]
        .filter(one => one.querySelector('h2').textContent === {panel!r})
        .flatMap(one => [...one.querySelectorAll('tbody tr')])
        .map(row => [(row.querySelector('th span') ?? row.querySelector('th')).textContent,
            ...[...row.querySelectorAll('td')].map(cell => cell.textContent)])"""
    )
    return {name: cells for name, *cells in found}


def choose(browser: Browser, **filters: str) -> None:
    """Set filters by their names, as a hand at the mouse does."""
    for name, value in filters.items():
        browser.evaluate(
            f"""(() => {{
                const form = document.getElementById('filters');
                const names = {{split: meta.splits, view: meta.views, label: meta.labels,
                    source: meta.sources}}[{name!r}];
                const place = {name!r} === 'state'
                    ? meta.states.find(one => one.name === {value!r}).code
                    : names.indexOf({value!r});
                form.elements[{name!r}].value = place;
                form.dispatchEvent(new Event('change', {{bubbles: true}}));
            }})()"""
        )


def focused(browser: Browser) -> str:
    return browser.evaluate(
        "(a => a.name ? `${a.name}=${a.value}` : a.id || a.textContent)(document.activeElement)"
    )


def tab_to(browser: Browser, name: str) -> None:
    for _ in range(30):
        if focused(browser).startswith(name):
            return
        browser.press("Tab")
    raise AssertionError(f"Tab does not reach {name}")


# --- figures --------------------------------------------------------------------------------------


def test_without_a_filter_every_figure_is_that_of_pandas(
    browser: Browser, page: Path, rows: pd.DataFrame
) -> None:
    browser.open(page)
    check_figures(browser, rows)


FILTERS: list[dict[str, str]] = [
    {"split": "test"},
    {"view": "lateral"},
    {"label": "Pneumonia", "state": "negative"},
    {"state": "uncertain"},
    {"label": "Edema", "state": "not mentioned", "source": "labels_negbio"},
    {"split": "train", "view": "frontal", "label": "Support Devices", "state": "positive"},
]


@pytest.mark.parametrize("filters", FILTERS, ids=lambda filters: " ".join(filters.values()))
def test_each_filter_changes_figures_and_gallery_as_it_changes_rows_in_pandas(
    browser: Browser, page: Path, rows: pd.DataFrame, filters: dict[str, str]
) -> None:
    browser.open(page)
    choose(browser, **filters)
    left = chosen(rows, **filters)
    assert 0 < len(left) < len(rows)
    check_figures(browser, left)
    samples = browser.evaluate("meta.samples.map(sample => Number(sample.study))")
    cards = browser.evaluate(
        "[...document.querySelectorAll('.card-title')].map(one => +one.textContent.slice(6))"
    )
    assert cards == [study for study in samples if study in set(left["study_id"])]


def check_figures(browser: Browser, rows: pd.DataFrame) -> None:
    studies = rows.drop_duplicates("study_id")
    assert shown(browser) == sizes(rows)
    assert table(browser, "Splits") == {
        **{name: told(sizes(rows[rows["split"] == name]))
           for name in ("train", "validation", "test")},
        "all": told(sizes(rows)),
    }  # fmt: skip
    counts = rows["view"].value_counts()
    assert table(browser, "Views") == {
        name: told([counts.get(place, 0)]) for place, name in enumerate(VIEWS)
    }
    for source in SOURCES:
        labelled = studies[source].dropna()
        assert table(browser, f"Label prevalence: {source}") == {
            label: told([
                sum(state_of(one, label) == state.name for one in labelled) for state in STATES
            ]) for label in LABELS
        }  # fmt: skip
    check_agreement(browser, studies)
    check_missing(browser, rows, studies)


def told(counts: list[int]) -> list[str]:
    return [f"{count:,}" for count in counts]


def check_agreement(browser: Browser, studies: pd.DataFrame) -> None:
    found = table(browser, "Agreement of sources")
    for place, (one, other) in enumerate(itertools.combinations(SOURCES, 2)):
        both = studies.dropna(subset=[one, other])
        for label in LABELS:
            told = [
                (a, b)
                for a, b in zip(
                    (state_of(given, label) for given in both[one]),
                    (state_of(given, label) for given in both[other]),
                    strict=True,
                )
                if "not mentioned" not in (a, b)
            ]
            same = sum(a == b for a, b in told)
            share = f"{100 * same / len(told):.1f} %{len(told):,}" if told else "\u20130"
            assert found[label][place].split(",")[0] == share


def check_missing(browser: Browser, rows: pd.DataFrame, studies: pd.DataFrame) -> None:
    found = table(browser, "Missing values")
    for name in ("report", "findings", "labels_radiologist"):
        absent = int(studies[name].isna().sum())
        assert found.get(name, ["0"])[0] == f"{absent:,}"
    for name in ("view_position", "orientation"):
        absent = int(rows[name].isna().sum())
        assert found.get(name, ["0"])[0] == f"{absent:,}"


def test_filters_that_leave_nothing_say_so(
    browser: Browser, page: Path, rows: pd.DataFrame
) -> None:
    filters = next(
        {"split": split, "label": label, "state": "positive"}
        for split in ("test", "validation")
        for label in LABELS
        if chosen(rows, split=split, label=label, state="positive").empty
    )
    browser.open(page)
    choose(browser, **filters)
    check_figures(browser, rows.iloc[:0])
    said = browser.evaluate("document.getElementById('samples-shown').textContent")
    assert said.startswith("No sample fits")
    assert browser.complaints == []


def test_choosing_a_label_shows_the_studies_that_have_it_and_clear_shows_all(
    browser: Browser, page: Path, rows: pd.DataFrame
) -> None:
    browser.open(page)
    browser.evaluate(
        "(select => { select.value = meta.labels.indexOf('Edema');"
        "select.dispatchEvent(new Event('change', {bubbles: true})); })"
        "(document.querySelector('select[name=label]'))"
    )
    assert shown(browser) == sizes(chosen(rows, label="Edema", state="positive"))
    browser.evaluate("document.querySelector('button[type=reset]').click()")
    browser.wait(f"document.getElementById('shown').textContent.startsWith('{len(rows)} of')")
    assert shown(browser) == sizes(rows)


# --- keys -----------------------------------------------------------------------------------------


def test_the_keyboard_alone_filters_opens_a_study_and_comes_back(
    browser: Browser, page: Path, rows: pd.DataFrame
) -> None:
    browser.open(page)
    tab_to(browser, "split=")
    browser.press("ArrowRight")  # from all to the first split
    tab_to(browser, "view=")
    browser.press("ArrowRight")
    assert shown(browser) == sizes(chosen(rows, split="train", view="frontal"))
    tab_to(browser, "view=")
    browser.press("ArrowLeft")
    tab_to(browser, "state=")
    browser.press("ArrowRight")
    left = chosen(rows, split="train", state="positive")
    assert shown(browser) == sizes(left)
    tab_to(browser, "Study ")
    first = focused(browser)
    browser.press("ArrowRight")
    second = focused(browser)
    assert second.startswith("Study ")
    assert second != first
    browser.press("Enter")
    browser.wait("document.getElementById('study').open")
    title = "document.getElementById('study-title').textContent"
    assert second.startswith(browser.evaluate(title))
    browser.press("ArrowLeft")
    assert first.startswith(browser.evaluate(title))
    browser.press("Escape")
    browser.wait(f"document.activeElement.textContent === {first!r}")
    assert not browser.evaluate("document.getElementById('study').open")
    browser.press("End")
    last = focused(browser)
    browser.press("Home", "ArrowDown", "ArrowUp")
    assert focused(browser) == first != last


def test_a_study_in_full_shows_all_its_images_states_and_text_with_marks_that_stand_back(
    browser: Browser, page: Path, rows: pd.DataFrame
) -> None:
    browser.open(page)
    browser.evaluate("document.querySelector('button.card').click()")
    browser.wait("document.getElementById('study').open")
    study = browser.evaluate("Number(meta.samples[0].study)")
    whole = rows[rows["study_id"] == study]
    assert browser.evaluate("document.querySelectorAll('dialog img').length") == len(whole)
    assert browser.evaluate("[...document.querySelectorAll('dialog img')].every(i => i.alt)")
    cells = browser.evaluate(
        "[...document.querySelectorAll('dialog tbody tr')].map(row => [...row.children]"
        ".slice(0, 2).map(cell => cell.textContent))"
    )
    signs = {state.name: state.sign + state.name for state in STATES}
    labels = whole.iloc[0]["labels"]
    assert dict(cells) == {
        label: signs[state_of(labels, label)] if labels else "no labels" for label in LABELS
    }
    report = whole.iloc[0]["report"]
    text = browser.evaluate("document.querySelector('dialog .text').textContent")
    assert text == report
    marks = browser.evaluate(
        "[...document.querySelectorAll('dialog .text:first-of-type .removed')]"
        ".map(one => one.textContent)"
    )
    assert marks
    assert set("".join(marks)) <= {"_", "X"}
    pale, plain = browser.evaluate(
        "['.removed', '.text'].map(one => getComputedStyle(document.querySelector("
        "`dialog ${one}`)).color)"
    )
    assert pale != plain
