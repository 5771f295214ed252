"""What `make demo` runs: every installed dataset is invented, loaded, counted and shown.

    python -m cxr_datasets.preview [FOLDER]

It writes a synthetic release of each dataset, loads it by the same `load_dataset` call that users
write, streams it, and prints tables of what came out. One study is shown in full, and some images
on a contact sheet. All that it writes is in the folder, the cache of `datasets` too.

A dataset of somebody else's package is shown without a change here. One that has no reports is
shown without a text; one that cannot be loaded is named, and the others are shown.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import datasets

from cxr_datasets.columns import VIEWS
from cxr_datasets.errors import CxrError, OptionError, PackageError
from cxr_datasets.packages import builder_class, known_datasets, package_of
from cxr_datasets.preview.figures import ALL, count_blank, count_labels, count_splits, count_views
from cxr_datasets.preview.from_rows import material_of_rows
from cxr_datasets.preview.material import Material
from cxr_datasets.preview.picking import listed, pick_study
from cxr_datasets.preview.sheet import contact_sheet, pick_pairs
from cxr_datasets.preview.states import NOT_MENTIONED, STATES
from cxr_datasets.preview.text import WIDTH, print_table, print_title
from cxr_datasets.storage import own
from cxr_datasets.synthetic import synthesize
from cxr_datasets.wording import escaped

_NOTE_BEGINS = "Everything in this folder is invented by `python -m cxr_datasets.preview`"
_NOTE = f"""\
{_NOTE_BEGINS}, which empties
it and writes it anew each time it runs. No patient is in it.
"""
_NOTE_FILE = "README.txt"

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
    """Write, load and show every installed dataset that has an invented release.

    Args:
        folder: Where to write. What an earlier run wrote there is replaced.

    Raises:
        OptionError: The folder holds something else.
    """
    datasets.disable_progress_bars()
    began = time.perf_counter()
    make_fresh(folder)
    print(
        "All of this is invented: a program painted the images and made up texts, labels and ids."
    )
    print("Nothing in it comes from a patient.")
    sections = []
    for name, package in _installed():
        try:
            loaded = _load(name, package, folder)
        except PackageError as error:
            print_title(name)
            print(f"  Left out. {error}")
            continue
        _show(loaded)
        sections.append((name, list(pick_pairs(loaded.studies))))
    sheet = folder / "contact_sheet.png"
    if any(builder_class(name).is_credentialed() for name, _ in sections):
        own.keep_closed(sheet)  # as it would be if the images were real
    with open(sheet, "wb", opener=own.open_file) as file:
        contact_sheet(sections).save(file, "PNG")
    print_title("contact sheet")
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
            f"{folder} is not empty, and no earlier run of this program wrote what is in it. Name "
            "another folder: python -m cxr_datasets.preview FOLDER"
        )
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(_NOTE, encoding="utf-8")


@dataclass(frozen=True)
class Loaded:
    """One dataset, loaded in the ways that are shown.

    Attributes:
        name: The dataset's name.
        lines: The Python that a user writes to load it so.
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


def _show(loaded: Loaded) -> None:
    print_title(loaded.name)
    for line in loaded.lines:
        print(f"  >>> {line}")
    print("\nSplits: images, studies and patients; views of the images")
    images, studies = material_of_rows(loaded.images), material_of_rows(loaded.studies)
    _show_splits(images)
    print("\nLabels, counted by study: 1, 0, -1 and null")
    _show_labels(studies)
    _show_stream(loaded)
    _show_study(pick_study(loaded.studies))


def _show_splits(images: Material) -> None:
    counts = count_splits(images)
    table = counts.merge(count_views(images), on="split")
    print_table(list(table.columns), table.to_numpy(object).tolist())
    *splits, in_all = counts["patients"].tolist()
    if len(splits) > 1:
        print(f"  {'No patient is' if sum(splits) == in_all else 'PATIENTS ARE'} in two splits.")


def _show_labels(studies: Material) -> None:
    counts = count_labels(studies).query(f"split == {ALL!r} and source == 'labels'")
    null = counts[NOT_MENTIONED.key] + counts["unlabelled"]
    table = counts[["label", *(state.key for state in STATES)]].assign(**{NOT_MENTIONED.key: null})
    print_table(["label", *(state.name for state in STATES)], table.to_numpy(object).tolist())
    unlabelled, blank = counts["unlabelled"].iloc[0], count_blank(studies, "labels")
    print(f"  {unlabelled} studies have no labels; in {blank} more all labels are null.")


def _show_stream(loaded: Loaded) -> None:
    first = next(iter(loaded.images.values()))
    began = time.perf_counter()
    rows = list(loaded.stream.take(_STREAMED_ROWS))
    milliseconds = 1000 * (time.perf_counter() - began)
    print(f"\nStreamed: the first {len(rows)} rows, in {milliseconds:.0f} ms")
    print_table(
        ["image_id", "view", "width", "height", "positive"],
        [
            [row["image_id"], VIEWS[row["view"]], *row["image"].size, listed(row["labels"], 1)]
            for row in rows
        ],
    )
    streamed = [row["image_id"] for row in loaded.stream.select_columns(["image_id"])]
    same = "the same rows in the same order" if streamed == first["image_id"][:] else "OTHER ROWS"
    print(f"  Read to its end: {len(streamed)} rows, {same} as in the split built on disk.")


def _show_study(study: dict[str, Any]) -> None:
    views = ", ".join(VIEWS[view] for view in study["views"])
    print(f"\nOne study: {study['study_id']} of patient {study['subject_id']}; images: {views}")
    if study["report"] is None:
        print("  | no report")
    for line in (study["report"] or "").splitlines():
        for part in textwrap.wrap(escaped(line), WIDTH - 4, drop_whitespace=False) or [""]:
            print(f"  | {part}".rstrip())
    for state in STATES:
        head = f"  {state.name:<13}  "
        names = textwrap.wrap(listed(study["labels"], state.value), WIDTH - len(head))
        print(head + f"\n{' ' * len(head)}".join(names))
