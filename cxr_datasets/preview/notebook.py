"""`show`: a study, or a small gallery, as a notebook displays it, without any script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import datasets

from cxr_datasets.columns import LABELS, PRIOR_IMAGES, SECTIONS, VIEWS
from cxr_datasets.counts import is_whole
from cxr_datasets.errors import CxrError, OptionError
from cxr_datasets.preview.from_rows import Rows, columns_in, named_splits
from cxr_datasets.preview.kinds import PIXELS, Kinds, kinds_of
from cxr_datasets.preview.marks import marked_text, plain_text
from cxr_datasets.preview.notebook_style import styled
from cxr_datasets.preview.states import NOT_MENTIONED, STATES, State, states_of
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
    if not is_whole(n, least=1):
        raise OptionError(f"n={n!r} is not a number of rows. Give a positive integer, such as 6.")
    if isinstance(row_or_dataset, Mapping) and not isinstance(row_or_dataset, dict):
        row_or_dataset = dict(row_or_dataset)  # such as a lazy row
    kinds = (datasets.DatasetDict, datasets.IterableDatasetDict)
    if isinstance(row_or_dataset, dict) and not isinstance(row_or_dataset, kinds):
        _check_row(row_or_dataset)
        html = styled(_study(row_or_dataset, kinds_of(list(row_or_dataset))))
        return Shown(html, f"study {_plain(row_or_dataset.get('study_id'))}")
    name, rows = next(iter(_splits(row_or_dataset).items()))
    known = kinds_of(columns_in(rows))
    cards = [_card(row, known) for row in _some(rows, n)]
    return Shown(
        styled(f'<div class="cxr-gallery">{"".join(cards)}</div>'), f"{len(cards)} rows of {name}"
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
            rows = rows.cast_column(name, image if name == "image" else [image])
    rows = rows.with_format(None)
    if isinstance(rows, datasets.Dataset):
        rows = rows.select(spread_places(len(rows), n))
    yield from islice(rows, n)


# --- one study ------------------------------------------------------------------------------------


def _study(row: Mapping[str, Any], known: Kinds) -> str:
    """A study at length."""
    return "".join(
        (
            _heading(row),
            _pictures(row, _LARGE),
            _labels(row),
            _texts(row, known),
            _facts(row, known),
        )
    )


def _card(row: Mapping[str, Any], known: Kinds) -> str:
    """A study in a gallery, its text closed."""
    text = _texts(row, known, is_open=False)
    inside = "".join((_heading(row), _pictures(row, _SMALL), _brief_labels(row), text))
    return f'<div class="cxr-card">{inside}</div>'


def _pictures(row: Mapping[str, Any], side: int) -> str:
    images = "".join((*_images(row, side), *_earlier(row, side)))
    return f'<div class="cxr-images">{images}</div>' if images else ""


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


def _earlier(row: Mapping[str, Any], side: int) -> Iterator[str]:
    """The images of earlier studies, beside the row's own."""
    images, days = _listed(row.get(PRIOR_IMAGES)), _listed(row.get("prior_days"))
    for place, image in enumerate(images):
        when = f"{float(days[place]):.1f} days before" if place < len(days) else "before"
        yield (
            f"<figure>{_picture(image, f'earlier frontal, {when},', side)}"
            f"<figcaption>{plain_text(when)}</figcaption></figure>"
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
    """A table of labels by source; those that no source mentions follow in one line."""
    states = _states(row)
    if not states:
        return _unlabelled(row)
    mentioned = [
        label
        for label in LABELS
        if any(by_label[label] is not NOT_MENTIONED for by_label in states.values())
    ]
    lines = []
    for label in mentioned:
        cells = "".join(
            f'<td class="cxr-{state.key}"><b>{state.sign}</b> {state.name}</td>'
            for state in (by_label[label] for by_label in states.values())
        )
        lines.append(f'<tr><th scope="row">{label}</th>{cells}</tr>')
    head = "".join(f'<th scope="col">{plain_text(name)}</th>' for name in states)
    table = f"<table><tr><td></td>{head}</tr>{''.join(lines)}</table>" if lines else ""
    rest = [label for label in LABELS if label not in mentioned]
    return table + _line(NOT_MENTIONED, rest) + _unlabelled(row)


def _brief_labels(row: Mapping[str, Any]) -> str:
    """The labels of the first source that has any, by state."""
    for name, by_label in _states(row).items():
        lines = (
            _line(state, [label for label in LABELS if by_label[label] is state])
            for state in STATES
        )
        return f"<p>{plain_text(name)}</p>{''.join(lines)}"
    return _unlabelled(row)


def _line(state: State, labels: Sequence[str]) -> str:
    if not labels:
        return ""
    told = f"<b>{state.sign}</b> {state.name}: {', '.join(labels)}"
    return f'<p class="cxr-{state.key}">{told}</p>'


def _states(row: Mapping[str, Any]) -> dict[str, dict[str, State]]:
    """The states of all labels, of each source that has any."""
    sources = [name for name in row if _is_source(name, row[name]) and row[name] is not None]
    return {name: states_of(row[name]) for name in sources}


def _unlabelled(row: Mapping[str, Any]) -> str:
    names = [name for name in row if _is_source(name, row[name]) and row[name] is None]
    return f"<p>no labels: {plain_text(', '.join(names))}</p>" if names else ""


def _is_source(name: str, value: Any) -> bool:
    if value is None:
        return name == "labels" or name.startswith("labels_")
    return isinstance(value, Mapping) and set(value) == set(LABELS)


def _texts(row: Mapping[str, Any], known: Kinds, is_open: bool = True) -> str:
    """The report, and its sections; without a report the sections alone."""
    names = [name for name in known.texts if row.get(name)]
    told = "".join(
        f"<dt>{plain_text(name)}</dt><dd>{marked_text(str(row[name]))}</dd>"
        for name in names
        if name != "report"
    )
    sections = f'<dl class="cxr-text">{told}</dl>' if told else ""
    if "report" not in names:
        nothing = "<p>no report</p>" if "report" in row else ""
        return _folded("sections", sections, is_open) or nothing
    report = f'<div class="cxr-text">{marked_text(str(row["report"]))}</div>'
    return _folded("report", report, is_open) + _folded("sections", sections, False)


def _folded(title: str, inside: str, is_open: bool) -> str:
    """Something that a reader can open and close; nothing of nothing."""
    if not inside:
        return ""
    return f"<details{' open' if is_open else ''}><summary>{title}</summary>{inside}</details>"


def _facts(row: Mapping[str, Any], known: Kinds) -> str:
    """Whatever else the row has."""
    shown = {*PIXELS, "study_id", "subject_id", "view", "views", *known.texts}
    lines = "".join(
        f'<tr><th scope="row">{plain_text(name)}</th><td>{plain_text(_told(value))}</td></tr>'
        for name, value in row.items()
        if name not in shown and not _is_source(name, value)
    )
    return _folded("more", f"<table>{lines}</table>" if lines else "", is_open=False)


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
