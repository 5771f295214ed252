"""`stats`: the figures of a dataset, wherever it is, as tables of pandas."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import pandas as pd

from cxr_datasets.errors import OptionError
from cxr_datasets.flags import check_flags
from cxr_datasets.preview import figures, layout
from cxr_datasets.preview.material import Material
from cxr_datasets.preview.pixels import measure_pixels
from cxr_datasets.preview.reading import REPORTS, read_material


@dataclass(frozen=True, repr=False)
class Stats:
    """The figures of a dataset: numbers and states, no ids and no texts.

    `print` writes them as tables for a terminal, a notebook shows them as HTML, and `as_json` gives
    them as plain Python. Columns are described where they are made, in
    `cxr_datasets.preview.figures` and `pixels`.

    Attributes:
        place: What was counted: an address, or splits.
        dataset: Name of the dataset, where it is known; else None.
        config: The config whose rows were counted.
        notes: What a reader must know, such as that the lengths are of a sample of reports.
        cohort: What each rule left out of the release, and what is left; no row where all is there.
        splits: Images, studies and patients of each split.
        views: Images of each view, by split.
        labels: Studies in which each label is positive, negative, uncertain and not mentioned, by
            split and source of labels.
        agreement: Each two sources of labels, over the studies for which both tell a label: share
            of agreement, Cohen's kappa, and the table of counts.
        lengths: Words and characters of the report and of each section.
        missing: Nulls of each column, by split.
        gaps: Days between consecutive studies of a patient, by split.
        patients: Ages at the studies and sexes of the patients, by split; no row if the rows do not
            tell them.
        layers: Images that have something of each layer, by split; no row without layers.
        pixels: Mean and standard deviation of sampled images, by view; no row without `pixels=N`.
    """

    place: str
    dataset: str | None
    config: str
    notes: tuple[str, ...]
    cohort: pd.DataFrame = field(metadata={"title": "From the release to these rows"})
    splits: pd.DataFrame = field(metadata={"title": "Images, studies and patients"})
    views: pd.DataFrame = field(metadata={"title": "Views of the images"})
    labels: pd.DataFrame = field(metadata={"title": "Labels of the studies, by state"})
    agreement: pd.DataFrame = field(metadata={"title": "Agreement of the sources of labels"})
    lengths: pd.DataFrame = field(metadata={"title": "Lengths of the texts"})
    missing: pd.DataFrame = field(metadata={"title": "Missing values"})
    gaps: pd.DataFrame = field(metadata={"title": "Days between consecutive studies of a patient"})
    patients: pd.DataFrame = field(metadata={"title": "Ages at the studies, and sexes"})
    layers: pd.DataFrame = field(metadata={"title": "Layers of other people"})
    pixels: pd.DataFrame = field(metadata={"title": "Pixels of sampled images"})

    def tables(self) -> dict[str, tuple[str, pd.DataFrame]]:
        """Give all tables: name -> its title and the table."""
        return {
            one.name: (one.metadata["title"], getattr(self, one.name))
            for one in fields(self)
            if "title" in one.metadata
        }

    def as_json(self) -> dict[str, Any]:
        """Give everything as what JSON has: each table as a list of rows, null for what is none."""
        head = {"place": self.place, "dataset": self.dataset, "config": self.config,
                "notes": list(self.notes)}  # fmt: skip
        return {**head, **{name: layout.records(one) for name, (_, one) in self.tables().items()}}

    def lines(self) -> list[str]:
        """Give the lines of text that `print` prints, at most 100 columns wide."""
        return layout.as_lines(self._heading(), self.notes, self.tables())

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        return layout.as_html(self._heading(), self.notes, self.tables())

    def __repr__(self) -> str:
        return f"<Stats of {self._heading()}>"

    def _heading(self) -> str:
        return f"{self.dataset or 'rows'}, config {self.config}: {self.place}"


def stats(
    place: Any,
    *,
    dataset: str | None = None,
    split: str | Sequence[str] | None = None,
    pixels: int = 0,
    reports: int | None = REPORTS,
    seed: int = 0,
    storage_options: Mapping[str, Any] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    options: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> Stats:
    """Count what a dataset holds, without reading its images.

    Args:
        place: A copy of a release or an export, on a disk or in a store: its path or address. Or
            rows: what `load_dataset` gave, built or streamed, of any config; also datasets put
            together by `concatenate_datasets`.
        dataset: Name of the dataset, where the place does not tell it.
        split: One split or several; None: all.
        pixels: How many images to sample and to decode in full, for their mean and standard
            deviation; 0: none. Of a stream the first ones after a shuffle are taken.
        reports: Most reports of a release to measure, spread evenly over its studies; None: all,
            which takes longer than all else. Of exports and rows all are measured.
        seed: Of the sample of images; the same one gives the same images.
        storage_options: Options of the store, as its fsspec file system takes them.
        cache_dir: Cache of `datasets`, where what a release needs is kept; None: the usual one.
        options: Options of the dataset, for a release, such as `{"views": ["frontal"]}`.
        progress: Whether to show a progress bar for the images, on stderr.

    Returns:
        The figures. Its tables are `pandas.DataFrame`s.

    Raises:
        OptionError: An option or a value does not exist.
        ReleaseError: Neither a release nor an export is there.
        CxrError: What is there is broken, or a store refuses it. Of images that were sampled,
            those absent or damaged are counted, and are no error.
    """
    check_flags(progress=progress)
    for name, value in {"pixels": pixels, "reports": 0 if reports is None else reports}.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise OptionError(f"{name}={value!r} is not a number. Give an integer from 0 on.")
    material = read_material(
        place, dataset=dataset, split=split, reports=reports, storage_options=storage_options,
        cache_dir=cache_dir, options=options,
    )  # fmt: skip
    return stats_of(material, pixels, seed, progress)


def stats_of(material: Material, pixels: int = 0, seed: int = 0, progress: bool = False) -> Stats:
    """Count material that was read already; arguments as for `stats`."""
    sampled, sample = pd.DataFrame(), material.sample
    if pixels and (sample is None):
        raise OptionError(
            f"pixels={pixels} needs images, and config {material.config} has none. Give images or "
            "studies."
        )
    if pixels and sample:
        sampled = measure_pixels(sample(pixels, seed), pixels, progress)
    texts = material.texts
    notes = material.notes
    if texts.names and not texts.are_all:
        notes = (
            *notes,
            f"texts were measured in {texts.lengths.num_rows:,} of {texts.studies:,} studies, "
            "spread evenly",
        )
    return Stats(
        place=material.told,
        dataset=material.dataset,
        config=material.config,
        notes=notes,
        cohort=figures.count_left_out(material),
        splits=figures.count_splits(material),
        views=figures.count_views(material),
        labels=figures.count_labels(material),
        agreement=figures.compare_sources(material),
        lengths=figures.measure_texts(material),
        missing=figures.count_missing(material),
        gaps=figures.measure_gaps(material),
        patients=figures.measure_patients(material),
        layers=figures.count_layers(material),
        pixels=sampled,
    )
