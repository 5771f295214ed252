"""`show`: a study, or a small gallery, as a notebook displays it, without any script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import datasets

from cxr_datasets.columns import LABELS, SECTIONS, VIEWS
from cxr_datasets.errors import CxrError, OptionError
from cxr_datasets.preview.from_rows import Rows, columns_in, named_splits
from cxr_datasets.preview.kinds import PIXELS, Kinds, kinds_of
from cxr_datasets.preview.marks import MARK_CLASS, marked_text, plain_text
from cxr_datasets.preview.states import DARK, LIGHT, NOT_MENTIONED, STATES, states_of
from cxr_datasets.preview.thumbnails import thumbnail
from cxr_datasets.tables.index import spread_places

IN_A_GALLERY = 6
"""Rows of a gallery."""

_LARGE, _SMALL = 384, 224
"""Long side of an image of a study, and of one in a gallery, in pixels."""


@dataclass(frozen=True, repr=False)
class Shown:
    """What a notebook displays.

    Attributes:
        html: All of it: one element with its style, and with the images in it.
        told: What it is, in words, for where there is no HTML.
    """

    html: str
    told: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"<{self.told}; display it in a notebook>"


def show(row_or_dataset: Any, *, n: int = IN_A_GALLERY) -> Shown:
    """Show a study or a small gallery in a notebook.

    Images are made small, and stand in the result itself. States of labels are told by a colour and
    a sign: + positive, \N{MINUS SIGN} negative, ? uncertain, \N{MIDDLE DOT} not mentioned. Marks of
    de-identification stand back. Text is escaped, whatever is in it; there is no script. A notebook
    that is saved holds what it shows: of credentialed data it must not be given to others.

    Args:
        row_or_dataset: A row of any config, of a copy or of an export, in any format, its images
            decoded or not. Or a dataset, built or streamed; of several splits the first is shown.
        n: Rows in a gallery: spread evenly over a built dataset, or the first ones of a stream.

    Returns:
        An object that a notebook displays. An image that is absent or damaged is told in its place.

    Raises:
        OptionError: It is neither a row nor a dataset, or `n` is no positive integer.
        CxrError: Rows cannot be read.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise OptionError(f"n={n!r} is not a number of rows. Give a positive integer, such as 6.")
    if isinstance(row_or_dataset, Mapping) and not isinstance(row_or_dataset, dict):
        row_or_dataset = dict(row_or_dataset)  # such as a lazy row
    kinds = (datasets.DatasetDict, datasets.IterableDatasetDict)
    if isinstance(row_or_dataset, dict) and not isinstance(row_or_dataset, kinds):
        _check_row(row_or_dataset)
        html = _styled(_study(row_or_dataset, kinds_of(list(row_or_dataset)), _LARGE))
        return Shown(html, f"study {_plain(row_or_dataset.get('study_id'))}")
    name, rows = next(iter(_splits(row_or_dataset).items()))
    known = kinds_of(columns_in(rows))
    cards = [f'<div class="cxr-card">{_study(row, known, _SMALL)}</div>' for row in _some(rows, n)]
    return Shown(
        _styled(f'<div class="cxr-gallery">{"".join(cards)}</div>'), f"{len(cards)} rows of {name}"
    )


def _splits(given: Any) -> dict[str, Rows]:
    try:
        return named_splits(given)
    except OptionError:
        raise OptionError(
            f"show takes a row or a dataset, with a split in it; found {type(given).__name__}."
        ) from None


def _check_row(row: Mapping[str, Any]) -> None:
    """Require a row of ours.

    Raises:
        OptionError: It has no columns of a study, or is a batch of rows.
    """
    known = {*PIXELS, "study_id", "report", "labels", *SECTIONS}
    if not known & set(row):
        raise OptionError(
            f"show takes a row or a dataset; found a mapping with {sorted(map(str, row))[:5]}. "
            "Give a row such as ds[0], or ds itself."
        )
    if isinstance(row.get("study_id"), list) or isinstance(row.get("labels"), list):
        raise OptionError(
            "show takes one row, and this is a batch of rows. Give ds[0], not ds[:1]."
        )


def _some(rows: Rows, n: int) -> Iterator[dict[str, Any]]:
    """Some rows, with images that are not decoded: small ones are made faster so."""
    for name in PIXELS:
        if name in columns_in(rows):
            image = datasets.Image(decode=False)
            rows = rows.cast_column(name, [image] if name == "images" else image)
    rows = rows.with_format(None)
    if isinstance(rows, datasets.Dataset):
        rows = rows.select(spread_places(len(rows), n))
    yield from islice(rows, n)


# --- one study ------------------------------------------------------------------------------------


def _study(row: Mapping[str, Any], known: Kinds, side: int) -> str:
    parts = [
        _heading(row), f'<div class="cxr-images">{"".join(_images(row, side))}</div>',
        _labels(row), _texts(row, known), _facts(row, known),
    ]  # fmt: skip
    return "".join(parts)


def _heading(row: Mapping[str, Any]) -> str:
    ids = [
        f"{word} {plain_text(_plain(row[name]))}"
        for name, word in (("study_id", "study"), ("subject_id", "patient"))
        if row.get(name) is not None
    ]
    return f'<p class="cxr-heading">{", ".join(ids)}</p>' if ids else ""


def _images(row: Mapping[str, Any], side: int) -> Iterator[str]:
    if "images" in row:
        images, views = _listed(row["images"]), _listed(row.get("views"))
    else:
        images, views = [row["image"]] if "image" in row else [], [row.get("view")]
    for place, image in enumerate(images):
        view = _view(views[place] if place < len(views) else None)
        yield (
            f"<figure>{_picture(image, view, side)}"
            f"<figcaption>{plain_text(view)}</figcaption></figure>"
        )


def _picture(image: Any, view: str, side: int) -> str:
    try:
        small = thumbnail(image, side)
    except CxrError as error:
        told = "no image" if image is None else str(error)
        return f'<div class="cxr-no-image">{plain_text(told)}</div>'
    return (
        f'<img src="{small.uri}" width="{small.width}" height="{small.height}" '
        f'alt="{plain_text(view)} radiograph">'
    )


def _view(view: Any) -> str:
    view = _plain(view)
    if isinstance(view, int):
        return VIEWS[view] if 0 <= view < len(VIEWS) else "unknown"
    return str(view) if view is not None else "unknown"


def _labels(row: Mapping[str, Any]) -> str:
    """A table of labels by source; without those that no source mentions."""
    sources = [name for name in row if _is_source(name, row[name])]
    states = {name: states_of(row[name]) for name in sources}
    lines = []
    for label in LABELS:
        said = [states[name][label] for name in sources]
        if all(state is NOT_MENTIONED for state in said):
            continue
        cells = "".join(
            f'<td class="cxr-{state.key}"><b>{state.sign}</b> {state.name}</td>' for state in said
        )
        lines.append(f'<tr><th scope="row">{label}</th>{cells}</tr>')
    unlabelled = [name for name in sources if row[name] is None]
    note = f"<p>no labels: {plain_text(', '.join(unlabelled))}</p>" if unlabelled else ""
    if not lines:
        return note or ("<p>no label is mentioned</p>" if sources else "")
    head = "".join(f'<th scope="col">{plain_text(name)}</th>' for name in sources)
    return f"<table><tr><td></td>{head}</tr>{''.join(lines)}</table>{note}"


def _is_source(name: str, value: Any) -> bool:
    if value is None:
        return name == "labels" or name.startswith("labels_")
    return isinstance(value, Mapping) and set(value) == set(LABELS)


def _texts(row: Mapping[str, Any], known: Kinds) -> str:
    names = [name for name in known.texts if row.get(name)]
    sections = [name for name in names if name != "report"]
    told = "".join(
        f"<dt>{plain_text(name)}</dt><dd>{marked_text(str(row[name]))}</dd>" for name in sections
    )
    told = f'<dl class="cxr-text">{told}</dl>' if told else ""
    if "report" not in names:
        no_text = "<p>no report</p>" if "report" in row else ""
        return told or no_text
    report = f'<div class="cxr-text">{marked_text(str(row["report"]))}</div>'
    whole = f"<details open><summary>report</summary>{report}</details>"
    return whole + (f"<details><summary>sections</summary>{told}</details>" if told else "")


def _facts(row: Mapping[str, Any], known: Kinds) -> str:
    """Whatever else the row has."""
    shown = {*PIXELS, "study_id", "subject_id", "view", "views", *known.texts}
    lines = "".join(
        f'<tr><th scope="row">{plain_text(name)}</th><td>{plain_text(_told(value))}</td></tr>'
        for name, value in row.items()
        if name not in shown and not _is_source(name, value)
    )
    return f"<details><summary>more</summary><table>{lines}</table></details>" if lines else ""


def _told(value: Any) -> str:
    value = _plain(value)
    if value is None:
        return "null"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_told, value))
    return str(value)


def _listed(value: Any) -> Sequence[Any]:
    return [] if value is None else list(value)


def _plain(value: Any) -> Any:
    """A value as plain Python, of an array or a tensor of one or several numbers too."""
    return value.tolist() if hasattr(value, "tolist") else value


# --- style ----------------------------------------------------------------------------------------


def _styled(inside: str) -> str:
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
        *(f".cxr-show td.cxr-{s.key}{{color:{s.dark if dark else s.light}}}" for s in STATES),
    ]
    return "".join(rules)


_STYLE = (
    ".cxr-show{padding:.6em;border:1px solid;font:14px/1.4 sans-serif;color-scheme:light dark;"
    "text-align:left}"
    ".cxr-show .cxr-heading{font-weight:bold;margin:.2em 0}"
    ".cxr-show .cxr-images{display:flex;flex-wrap:wrap;gap:.6em}"
    ".cxr-show figure{margin:0}"
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
