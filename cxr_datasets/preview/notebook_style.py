"""The style of what `show` gives: colours that stand or change together, in any notebook."""

from __future__ import annotations

from cxr_datasets.preview.marks import MARK_CLASS
from cxr_datasets.preview.states import DARK, LIGHT, STATES


def styled(inside: str) -> str:
    """Put the style before some HTML, and both into one element that it is for."""
    return f'<div class="cxr-show"><style>{_STYLE}</style>{inside}</div>'


def _colours(dark: bool) -> str:
    """Colours of text and ground, which stand or change together whatever the notebook's theme."""
    ground, text, mark, line = (
        (DARK, "#ececec", "#a6a6a6", "#4a4d52")
        if dark
        else (LIGHT, "#1b1b1b", "#646464", "#c9c9c9")
    )
    rules = [
        f".cxr-show{{background:{ground};color:{text};border-color:{line}}}",
        f".cxr-show :is(th,td,p,dt,dd,summary,figcaption,div){{color:{text};background:{ground}}}",
        f".cxr-show .{MARK_CLASS}{{color:{mark}}}",
        f".cxr-show .cxr-no-image{{border-color:{line}}}",
        *(
            f".cxr-show :is(td,p).cxr-{s.key}{{color:{s.dark if dark else s.light}}}"
            for s in STATES
        ),
    ]
    return "".join(rules)


_STYLE = (
    ".cxr-show{padding:.6em;border:1px solid;font:14px/1.4 sans-serif;color-scheme:light dark;"
    "text-align:left}"
    ".cxr-show .cxr-heading{font-weight:bold;margin:.2em 0}"
    ".cxr-show .cxr-images{display:flex;flex-wrap:wrap;gap:.6em}"
    ".cxr-show figure{margin:0}"
    ".cxr-show p{margin:.1em 0}"
    ".cxr-show img{max-width:100%;height:auto}"
    ".cxr-show .cxr-no-image{width:14em;padding:1em;border:1px dashed;overflow-wrap:anywhere}"
    ".cxr-show :is(th,td){text-align:left;padding:.1em .6em .1em 0;border:0}"
    ".cxr-show .cxr-text{white-space:pre-wrap;overflow-wrap:anywhere;max-width:60em}"
    ".cxr-show .cxr-gallery{display:grid;gap:.8em;"
    "grid-template-columns:repeat(auto-fill,minmax(min(20em,100%),1fr))}"
    ".cxr-show .cxr-card{min-width:0;overflow-x:auto}"
    + _colours(dark=False)
    + f"@media (prefers-color-scheme:dark){{{_colours(dark=True)}}}"
)
