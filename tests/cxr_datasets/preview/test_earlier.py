"""The page of a preview shows earlier images beside a study's own, in a real browser."""

from __future__ import annotations

from pathlib import Path

from cxr_datasets.preview import preview
from tests.browser import Browser


def test_both_stand_side_by_side_with_the_days_between(
    browser: Browser, small_release: Path, tmp_path: Path
) -> None:
    page = tmp_path / "preview.html"
    preview(small_release, out=page, studies=22, options={"priors": 2})
    browser.open(page)
    number = browser.evaluate("meta.samples.findIndex(one => one.earlier.some(image => image.src))")
    browser.evaluate(f"document.querySelectorAll('button.card')[{number}].click()")
    browser.wait("document.getElementById('study').open")
    figures = browser.evaluate(
        "[...document.querySelectorAll('dialog .images figure')].map(one => "
        "[one.className, one.textContent.includes('days before'), one.offsetTop])"
    )
    own, earlier = ([one for one in figures if (one[0] == "earlier") == is_earlier]
                    for is_earlier in (False, True))  # fmt: skip
    assert own
    assert earlier
    assert not any(told for _, told, _ in own)
    assert all(told for _, told, _ in earlier)
    assert figures == [*own, *earlier]
    assert figures[0][2] == figures[1][2]  # in one row
    assert browser.evaluate("[...document.querySelectorAll('dialog img')].every(i => i.alt)")
