"""What `make demo` runs: every dataset, invented, loaded, counted and looked at.

    python -m cxr_datasets.demo [FOLDER]

It writes a synthetic release of each installed dataset, loads it by the plain `load_dataset` call
its users write, streams it, and prints what came out as tables. One study is shown in full, and
some images as a contact sheet. The folder holds all it writes, the cache of `datasets` too.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, ImageDraw, ImageFont, ImageOps

from cxr_datasets.columns import LABELS, VIEWS
from cxr_datasets.errors import CxrError, OptionError
from cxr_datasets.packages import known_datasets, package_of
from cxr_datasets.synthetic import synthesize

VALUES = {"positive": 1, "negative": 0, "uncertain": -1, "not mentioned": None}
"""What a label's value means, in the order of the table."""

_NOTE_BEGINS = "Everything in this folder is invented by `python -m cxr_datasets.demo`"
_NOTE = f"""\
{_NOTE_BEGINS}, which empties
it and writes it anew each time it runs. No patient is in it.
"""
_NOTE_FILE = "README.txt"
_WIDTH = 96
"""Columns of text in a line of output."""

_STREAMED_ROWS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration.

    Args:
        arguments: The folder to write to, `demo` if none is named; None takes the words of the
            command line.

    Returns:
        Exit code: 0, or 1 after an error, which is printed without a traceback.
    """
    words = sys.argv[1:] if arguments is None else arguments
    try:
        show_all(Path(words[0] if words else "demo"))
    except CxrError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


def show_all(folder: Path) -> None:
    """Write, load and show every installed dataset.

    Args:
        folder: Where to write. What an earlier run wrote there is replaced.

    Raises:
        OptionError: The folder holds something else.
    """
    datasets.disable_progress_bars()
    began = time.perf_counter()
    make_fresh(folder)
    print("All of this is invented: a program painted the images and drew texts, labels and ids.")
    print("Nothing in it comes from a patient.")
    sections = []
    for name, package in _installed():
        loaded = _load(name, package, folder)
        _show(loaded)
        sections.append((name, list(pick_pairs(loaded.studies))))
    sheet = folder / "contact_sheet.png"
    contact_sheet(sections).save(sheet)
    _print_title("contact sheet")
    print(f"  A frontal and a lateral image of {sum(len(pairs) for _, pairs in sections)} studies:")
    print(f"  {sheet.resolve()}")
    print(f"\nDone in {time.perf_counter() - began:.1f} s. README.md says how to load real copies.")


def _installed() -> list[tuple[str, str]]:
    """Name and package of every dataset, in the order of their names."""
    found = [(name, package_of(name)) for name in known_datasets()]
    if not found:
        raise OptionError("No dataset is installed. Install the project first: pip install .")
    return found


def make_fresh(folder: Path) -> None:
    """Empty the folder of an earlier run, or make it.

    Raises:
        OptionError: It is not empty and no earlier run wrote it.
    """
    note = folder / _NOTE_FILE
    if note.is_file() and note.read_text(encoding="utf-8").startswith(_NOTE_BEGINS):
        shutil.rmtree(folder)
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OptionError(
            f"{folder} holds something else than an earlier run of this. Name another folder: "
            "python -m cxr_datasets.demo FOLDER"
        )
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(_NOTE, encoding="utf-8")


# --- loading --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Loaded:
    """One dataset, loaded in the ways that are shown.

    Attributes:
        name: The dataset's name.
        lines: What a user writes to load it so.
        images: Its splits, a row per image.
        studies: Its splits, a row per study.
        stream: Its first split again, streamed.
    """

    name: str
    lines: tuple[str, ...]
    images: datasets.DatasetDict
    studies: datasets.DatasetDict
    stream: datasets.IterableDataset


def _load(name: str, package: str, folder: Path) -> Loaded:
    release = synthesize(name, folder / name)
    import_module(package)
    # The folder of a checkout by its path, an installed one by its name.
    path = f"./{package}" if Path(package, f"{package}.py").is_file() else package
    places = {"data_dir": str(release), "cache_dir": str(folder / "cache")}
    images = datasets.load_dataset(path, **places)
    split = next(iter(images))
    given = ", ".join(f'{option}="{value}"' for option, value in places.items())
    return Loaded(
        name=name,
        lines=(
            f"import {package}",
            f'images = load_dataset("{path}", {given})',
            f'studies = load_dataset("{path}", "studies", ...)',
            f'stream = load_dataset("{path}", ..., split="{split}", streaming=True)',
        ),
        images=images,
        studies=datasets.load_dataset(path, "studies", **places),
        stream=datasets.load_dataset(path, **places, split=split, streaming=True),
    )


# --- showing one dataset --------------------------------------------------------------------------


def _show(loaded: Loaded) -> None:
    _print_title(loaded.name)
    for line in loaded.lines:
        print(f"  >>> {line}")
    print("\nSplits: images, studies and patients; views of the images")
    header, rows = count_splits(loaded.images)
    _print_table(header, rows)
    _print_shared_patients(header, rows)
    print("\nLabels, counted by study: 1, 0, -1 and null")
    _print_table(*count_labels(loaded.studies))
    _print_unlabelled(loaded.studies)
    _show_stream(loaded)
    _show_study(pick_study(loaded.studies))


def count_splits(images: datasets.DatasetDict) -> tuple[list[str], list[list[Any]]]:
    """Count images, studies, patients and views in each split and in all.

    Args:
        images: Splits of a config `images`.

    Returns:
        The table's header and its rows, a row per split and one for all of them.
    """
    parts = {name: _column_table(split, "study_id", "subject_id", "view")
             for name, split in images.items()}  # fmt: skip
    parts["all"] = pa.concat_tables(list(parts.values()))
    rows: list[list[Any]] = []
    for name, part in parts.items():
        ids = [pc.count_distinct(part[key]).as_py() for key in ("study_id", "subject_id")]
        views = [pc.sum(pc.equal(part["view"], number)).as_py() for number in range(len(VIEWS))]
        rows.append([name, part.num_rows, *ids, *views])
    return ["split", "images", "studies", "patients", *VIEWS], rows


def _print_shared_patients(header: list[str], rows: list[list[Any]]) -> None:
    *splits, in_all = [row[header.index("patients")] for row in rows]
    if len(splits) > 1:
        print(f"  {'No patient is' if sum(splits) == in_all else 'PATIENTS ARE'} in two splits.")


def count_labels(studies: datasets.DatasetDict) -> tuple[list[str], list[list[Any]]]:
    """Count the studies in which each label has each of its values.

    Args:
        studies: Splits of a config `studies`.

    Returns:
        The table's header and its rows, a row per label.
    """
    labels = [row["labels"] or {} for row in _all_rows(studies, "labels")]
    rows: list[list[Any]] = [
        [name, *(sum(row.get(name) == value for row in labels) for value in VALUES.values())]
        for name in LABELS
    ]
    return ["label", *VALUES], rows


def _print_unlabelled(studies: datasets.DatasetDict) -> None:
    rows = [row["labels"] for row in _all_rows(studies, "labels")]
    blank = sum(row is not None and set(row.values()) == {None} for row in rows)
    print(f"  {rows.count(None)} studies have no row of labels, {blank} more a blank one.")


def _show_stream(loaded: Loaded) -> None:
    first = next(iter(loaded.images.values()))
    began = time.perf_counter()
    rows = list(loaded.stream.take(_STREAMED_ROWS))
    milliseconds = 1000 * (time.perf_counter() - began)
    print(f"\nStreamed: the first {len(rows)} rows, in {milliseconds:.0f} ms")
    _print_table(
        ["image_id", "view", "width", "height", "positive"],
        [
            [row["image_id"], VIEWS[row["view"]], *row["image"].size, _listed(row["labels"], 1)]
            for row in rows
        ],
    )
    streamed = [row["image_id"] for row in loaded.stream.select_columns(["image_id"])]
    same = "the same rows in the same order" if streamed == first["image_id"][:] else "OTHER ROWS"
    print(f"  To its end, {len(streamed)} rows: {same} as in the split built on disk.")


def pick_study(studies: datasets.DatasetDict) -> dict[str, Any]:
    """The study that shows most: findings and impression, two views, labels of many values."""
    return max(_all_rows(studies), key=_interest)


def _interest(study: dict[str, Any]) -> tuple[int, ...]:
    labels = list((study["labels"] or {}).values())
    complete = bool(study["findings"]) and bool(study["impression"])
    return complete, len(set(labels)), len(set(study["views"])), labels.count(1)


def _show_study(study: dict[str, Any]) -> None:
    views = ", ".join(VIEWS[view] for view in study["views"])
    print(f"\nOne study: {study['study_id']} of patient {study['subject_id']}; images: {views}")
    for line in study["report"].splitlines():
        for part in textwrap.wrap(line, _WIDTH - 4, drop_whitespace=False) or [""]:
            print(f"  | {part}".rstrip())
    for meaning, value in VALUES.items():
        head = f"  {meaning:<13}  "
        names = textwrap.wrap(_listed(study["labels"], value), _WIDTH - len(head))
        print(head + f"\n{' ' * len(head)}".join(names))


def _with_value(labels: dict[str, int | None] | None, value: int | None) -> list[str]:
    return [name for name in LABELS if labels and labels[name] == value]


def _listed(labels: dict[str, int | None] | None, value: int | None) -> str:
    return ", ".join(_with_value(labels, value)) or "-"


# --- printing -------------------------------------------------------------------------------------


def _print_title(title: str) -> None:
    print("\n\n" + f"== {title} ".ljust(_WIDTH, "=") + "\n")


def _print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table: numbers to the right, text to the left, a rule under the header."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [isinstance(cell, int) for cell in rows[0]]
    cells.insert(1, ["-" * width for width in widths])
    for row in cells:
        parts = [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, right, strict=True)
        ]
        print(f"  {'  '.join(parts)}".rstrip())


def _column_table(split: datasets.Dataset, *columns: str) -> pa.Table:
    return split.select_columns(list(columns)).with_format("arrow")[:]


def _all_rows(splits: datasets.DatasetDict, *columns: str) -> Iterator[dict[str, Any]]:
    """Rows of all splits as stored: images are not decoded."""
    for split in splits.values():
        yield from _column_table(split, *(columns or split.column_names)).to_pylist()


# --- the contact sheet ----------------------------------------------------------------------------

_TILE = 230
_GAP = 6
_MARGIN = 28
_PAIRS_IN_A_ROW = 3
_ROWS = 2
_TITLE_HEIGHT = 46
_CAPTION_HEIGHT = 62
_PAIR_WIDTH = 2 * _TILE + _GAP
_BLACK, _DARK, _GREY, _WHITE = 0, 24, 150, 235


@dataclass(frozen=True)
class Pair:
    """A frontal and a lateral image of one study, and what to write beneath them."""

    frontal: Image.Image
    lateral: Image.Image
    caption: str


def pick_pairs(studies: datasets.DatasetDict) -> Iterator[Pair]:
    """Choose studies with a frontal and a lateral image, together with as many labels as can be.

    Args:
        studies: Splits of a config `studies`.

    Yields:
        As many pairs as the sheet has room for, or as there are.
    """
    split = next(iter(studies.values()))
    rows = _column_table(split, "views", "labels").to_pylist()
    wanted = {VIEWS.index("frontal"), VIEWS.index("lateral")}
    positive = {
        number: set(_with_value(row["labels"], 1))
        for number, row in enumerate(rows)
        if wanted <= set(row["views"])
    }
    shown: set[str] = set()
    for _ in range(min(_PAIRS_IN_A_ROW * _ROWS, len(positive))):
        best = max(positive, key=lambda number: len(positive[number] - shown))
        shown |= positive.pop(best)
        yield _pair(split[best])


def _pair(study: dict[str, Any]) -> Pair:
    first = {
        view: study["images"][study["views"].index(VIEWS.index(view))]
        for view in ("frontal", "lateral")
    }
    positive = ", ".join(_with_value(study["labels"], 1))
    return Pair(**first, caption=positive or "no label is positive")


def contact_sheet(sections: Sequence[tuple[str, Sequence[Pair]]]) -> Image.Image:
    """Lay out pairs of images on one sheet.

    Args:
        sections: Title and pairs of each dataset.

    Returns:
        Greyscale image.
    """
    section_height = _TITLE_HEIGHT + _ROWS * (_TILE + _CAPTION_HEIGHT)
    width = 2 * _MARGIN + _PAIRS_IN_A_ROW * (_PAIR_WIDTH + _MARGIN) - _MARGIN
    sheet = Image.new("L", (width, _MARGIN + len(sections) * section_height), _DARK)
    draw = ImageDraw.Draw(sheet)
    for number, (title, pairs) in enumerate(sections):
        top = _MARGIN + number * section_height
        draw.text((_MARGIN, top), title, _WHITE, ImageFont.load_default(24))
        note = "invented images, nobody's data"
        draw.text((width - _MARGIN, top + 6), note, _GREY, ImageFont.load_default(16), anchor="ra")
        for place, pair in enumerate(pairs):
            row, column = divmod(place, _PAIRS_IN_A_ROW)
            left = _MARGIN + column * (_PAIR_WIDTH + _MARGIN)
            above = top + _TITLE_HEIGHT + row * (_TILE + _CAPTION_HEIGHT)
            _draw_pair(sheet, draw, pair, left, above)
    return sheet


def _draw_pair(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, pair: Pair, left: int, top: int
) -> None:
    font = ImageFont.load_default(15)
    for place, view in enumerate(("frontal", "lateral")):
        corner = left + place * (_TILE + _GAP)
        tile = ImageOps.pad(getattr(pair, view), (_TILE, _TILE), color=_BLACK)
        sheet.paste(tile, (corner, top))
        draw.text((corner, top + _TILE + 5), view, _GREY, font)
    caption = _wrapped(pair.caption, font)
    draw.text((left, top + _TILE + 24), caption, _WHITE, font, spacing=3)


def _wrapped(caption: str, font: Any) -> str:
    """Break a caption into lines as wide as a pair; two at most, which a rare one fills."""
    letters, lines = len(caption), [caption]
    while max(map(font.getlength, lines)) > _PAIR_WIDTH:
        letters -= 1
        lines = textwrap.wrap(caption, letters, max_lines=2, placeholder=" ...")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
