"""`preview`: one page, in one file, that a person opens to know a dataset."""

from __future__ import annotations

import html
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cxr_datasets import wording
from cxr_datasets._version import __version__
from cxr_datasets.copies import recognise
from cxr_datasets.errors import OptionError, StoreError
from cxr_datasets.flags import check_flags
from cxr_datasets.packages import builder_class, known_datasets
from cxr_datasets.preview.marks import MARK
from cxr_datasets.preview.opened import Opened, open_dataset
from cxr_datasets.preview.packed import CODES, Packed, pack
from cxr_datasets.preview.reading import find_place
from cxr_datasets.preview.render import MADE_BY, render
from cxr_datasets.preview.samples import choose, shown
from cxr_datasets.preview.states import STATES
from cxr_datasets.storage import durable, own
from cxr_datasets.synthetic import synthesize

STUDIES = 24
"""Sample studies, unless another number is asked for."""

MOST_STUDIES = 500
"""So many make a page of about 10 MB."""


@dataclass(frozen=True)
class _Wanted:
    """Which studies are to be shown."""

    studies: int
    seed: int
    progress: bool

    def check(self) -> None:
        if not _is_number(self.studies) or self.studies > MOST_STUDIES:
            raise OptionError(f"studies={self.studies!r} is no number from 0 to {MOST_STUDIES}.")
        if not _is_number(self.seed):
            raise OptionError(f"seed={self.seed!r} is no number from 0 on.")


@dataclass(frozen=True)
class PreviewSummary:
    """What a page shows.

    Attributes:
        out: The file.
        dataset: Name of the dataset.
        images: Images that the figures count.
        studies: Studies that the figures count.
        patients: Patients that the figures count.
        samples: Studies that are shown.
        pictures: Images of these that could be shown.
        absent: Images of these that are absent or damaged.
        bytes: Size of the file.
    """

    out: str
    dataset: str
    images: int
    studies: int
    patients: int
    samples: int
    pictures: int
    absent: int
    bytes: int

    def __str__(self) -> str:
        lacking = f", {self.absent:,} of their images are absent or damaged" if self.absent else ""
        return (
            f"{self.out}: {self.dataset}, {self.images:,} images of {self.studies:,} studies of "
            f"{self.patients:,} patients; {self.samples:,} studies shown{lacking}; "
            f"{self.bytes:,} bytes. Open it in a browser."
        )


def preview(
    place: str | os.PathLike[str] | None = None,
    *,
    out: str | os.PathLike[str],
    synthetic: bool = False,
    studies: int = STUDIES,
    seed: int = 0,
    split: str | Sequence[str] | None = None,
    dataset: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> PreviewSummary:
    """Write one page that shows a dataset: its figures as charts, and sample studies.

    The page is one file of HTML and asks for nothing beside it: it opens without a network. Its
    figures follow its filters, so it holds numbers of every study and image, but texts, ids and
    small images of the sample studies only.

    Args:
        place: A copy of a release, a part of one, or an export: a folder, an archive or an address.
        out: The file to write, such as `preview.html`. A page that is there is replaced. If the
            dataset has an agreement, the file is closed to other users of the machine.
        synthetic: Show a release that is invented for it; no `place` is needed.
        studies: How many sample studies to show, from 0 to 500.
        seed: Another one chooses other studies.
        split: One split or several; None: all.
        dataset: Name of the dataset, where the place does not tell it; with `synthetic`, which one
            to invent. None: that with most columns.
        storage_options: Options of the store, as its fsspec file system takes them.
        options: Options of the dataset, for a release, such as `{"views": ["frontal"]}`.
        progress: Whether to show progress bars for texts and images, on stderr.

    Returns:
        What the page shows.

    Raises:
        OptionError: An option or a value does not exist; or `out` is no file that may be written.
        ReleaseError: The place holds no release and no export.
        StoreError: The file cannot be written.
        CxrError: A table or the store is at fault. Nothing is written.
    """
    check_flags(synthetic=synthetic, progress=progress)
    file = _checked_out(out)
    wanted = _Wanted(studies, seed, progress)
    wanted.check()
    if synthetic:
        return _invented(file, place, dataset, wanted, split, options)
    if place is None:
        raise OptionError("Name a copy or an export to show, or give synthetic=True (--synthetic).")
    found = find_place(place, dataset, storage_options)
    opened = open_dataset(found, split, storage_options, progress=progress, options=options)
    closed = builder_class(found.dataset).is_credentialed()
    return _write(file, opened, wanted, _banner(found.dataset), str(found), closed)


def _invented(
    file: Path,
    place: Any,
    dataset: str | None,
    wanted: _Wanted,
    split: str | Sequence[str] | None,
    options: Mapping[str, Any] | None,
) -> PreviewSummary:
    if place is not None:
        raise OptionError(f"Give a place or synthetic, not both: {os.fspath(place)}.")
    name = dataset or _richest()
    with tempfile.TemporaryDirectory(prefix="cxr-preview-") as folder:
        release = synthesize(name, Path(folder, "release"))
        opened = open_dataset(
            recognise(release), split, cache_dir=str(Path(folder, "cache")), options=options
        )
        banner = _note("invented", "Invented data.", "No pixel, word or number is a patient's.")
        return _write(file, opened, wanted, banner, "an invented release", closed=False)


def _richest() -> str:
    """The installed dataset that has most to show."""
    known = known_datasets()
    if not known:
        raise OptionError("No dataset is installed. Install the project first: pip install .")
    return max(known, key=lambda name: len(builder_class(name).COLUMNS))


def _checked_out(out: str | os.PathLike[str]) -> Path:
    """The file to write, if it may be written."""
    if "://" in os.fspath(out):
        raise OptionError(f"out={os.fspath(out)} is an address. Give a file on this machine.")
    file = Path(out).expanduser()
    if file.is_dir():
        raise OptionError(f"{file} is a folder. Give the name of a file, such as preview.html.")
    if not file.absolute().parent.is_dir():
        raise OptionError(f"The folder {file.absolute().parent} does not exist. Make it first.")
    if file.exists() and not _is_ours(file):
        raise OptionError(
            f"{file} is there, and is no page of a preview. Give another name, or remove it."
        )
    return file


def _is_ours(file: Path) -> bool:
    try:
        with open(file, "rb") as opened:
            return MADE_BY.encode() in opened.read(2_000)
    except OSError as error:
        raise OptionError(f"{file} may not be replaced: {wording.said(error)}.") from error


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _banner(dataset: str) -> str:
    agreement = builder_class(dataset).AGREEMENT
    if not agreement:
        return ""
    link = f'<a href="{html.escape(agreement)}" rel="noreferrer">the agreement</a>'
    return _note(
        "credentialed",
        "Credentialed data.",
        f"Only those who signed {link} may see this page. Keep it on this machine, and give it to "
        "nobody else: it holds images, texts and ids.",
    )


def _note(kind: str, begins: str, says: str) -> str:
    return (
        f'<aside class="banner {kind}" aria-label="What these data are"><p><strong>{begins}'
        f"</strong> {says}</p></aside>"
    )


def _write(
    file: Path, opened: Opened, wanted: _Wanted, banner: str, subtitle: str, closed: bool
) -> PreviewSummary:
    dataset = opened.material.dataset or ""
    packed = pack(opened.material)
    samples = _samples(opened, packed, wanted)
    meta = {
        **packed.meta,
        "layout": packed.layout(),
        "states": [
            {
                "code": 0 if state.value is None else CODES[state.value],
                "name": state.name,
                "key": state.key,
                "sign": state.sign,
            }
            for state in STATES
        ],
        "mark": MARK.pattern,
        "samples": samples,
    }
    footer = f"Written by cxr-datasets {__version__}."
    subtitle = "; ".join((subtitle, *opened.material.notes))
    page = render(dataset, subtitle, banner, footer, meta, packed.encoded()).encode()
    _save(file, page, closed)
    has_images = packed.meta["hasImages"]
    pictures = [image["src"] for one in samples for image in one["images"] if has_images]
    return PreviewSummary(
        out=str(file),
        dataset=dataset,
        images=len(packed.columns["split"]) if has_images else 0,
        studies=len(packed.ids),
        patients=int(packed.columns["begins"].sum()),
        samples=len(samples),
        pictures=sum(picture is not None for picture in pictures),
        absent=sum(picture is None for picture in pictures),
        bytes=len(page),
    )


def _samples(opened: Opened, packed: Packed, wanted: _Wanted) -> list[dict[str, Any]]:
    """Choose studies and read them; where few images are there, studies that have one."""

    def read(among: np.ndarray | None = None) -> list[dict[str, Any]]:
        ids = choose(packed, wanted.studies, wanted.seed, among)
        return shown(opened.read(ids), packed, wanted.progress)

    samples = read()
    there = [image["src"] is not None for sample in samples for image in sample["images"]]
    if opened.there is None or 2 * sum(there) >= len(there):
        return samples
    among = opened.there()
    return read(among) if len(among) else samples


def _save(file: Path, content: bytes, closed: bool) -> None:
    """Write the file, whole or not at all."""
    aside = file.with_name(f".{file.name}.{os.getpid()}.part")
    if closed:
        own.keep_closed(aside)
    try:
        with open(own.new_file(aside), "wb") as opened:
            opened.write(content)
            opened.flush()
            durable.sync(opened.fileno())
        durable.rename(aside, file)
    except OSError as error:
        raise StoreError(
            f"{file} could not be written: {wording.said(error)}. Make room, or check the "
            "permissions of the folder; then run the same call again."
        ) from error
    finally:
        aside.unlink(missing_ok=True)
