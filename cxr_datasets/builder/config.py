"""The options that every dataset here has."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import datasets

from cxr_datasets.builder.cohort_options import CohortOptions
from cxr_datasets.builder.kept import check_options
from cxr_datasets.columns import VIEWS
from cxr_datasets.counts import is_whole
from cxr_datasets.errors import OptionError
from cxr_datasets.images.resize import FORMATS, JPEG
from cxr_datasets.storage.source import Source

MISSING = ("error", "skip", "null")
"""Choices of `missing` and `damaged`: refuse, leave out the row, keep it with a null image."""

_CHOICES: dict[str, tuple[Any, ...]] = {
    "missing": MISSING,
    "damaged": MISSING,
    "image_format": FORMATS,
    "embed": (True, False, None),
    "labels_text": (True, False),  # of the datasets that have it
}

_NOT_IN_THE_ROWS = ("connections", "cache", "cache_folder", "layers")
"""Options that change how fast the rows come, not what they hold; and layers, which have a key of
their own, by what is in them."""


@dataclass
class CxrConfig(CohortOptions):
    """Options of a dataset; a dataset with options of its own derives from this.

    Each field says in its metadata what it does, for the command line and the docs; see
    `option_help`. One that names a place which is read says `place` there.
    """

    views: list[str] | None = field(
        default=None,
        metadata={
            "help": "Keep only images of these views: frontal, lateral, oblique, unknown, or the "
            "dataset's own names; default: all. In configs studies and reports a study left "
            "without an image is dropped."
        },
    )
    images: str | None = field(
        default=None,
        metadata={
            "help": "Where the images are: a folder, a .zip or an address, in which their folders "
            "and suffix may differ from the release's. Default: data_dir.",
            "place": True,
        },
    )
    missing: str = field(
        default=MISSING[0],
        metadata={
            "help": "What becomes of an image whose file is absent: error refuses to build, skip "
            "leaves out its row, null keeps the row with a null image. Where no image is there at "
            "all, each of them is an error."
        },
    )
    damaged: str = field(
        default=MISSING[0],
        metadata={
            "help": "What becomes of an embedded image whose file is cut off, is no image, or does "
            "not decode: error, skip or null, as for missing. A local image that is stored as its "
            "address is not read when the dataset is built, but when its row is, and is an error "
            "then."
        },
    )
    image_size: int | None = field(
        default=None,
        metadata={
            "help": "Short side in pixels: images are decoded to 8-bit grey, made smaller and "
            "embedded, never enlarged, while columns that give a size stay those of the release's "
            "files. Default: the release's own files as they are."
        },
    )
    image_format: str = field(
        default=JPEG,
        metadata={
            "help": "Format of images made by image_size: jpeg (quality 95) or png (lossless)."
        },
    )
    embed: bool | None = field(
        default=None,
        metadata={
            "help": "Whether a built or streamed dataset holds the images' bytes, or only their "
            "addresses. Default: bytes of remote images and of those made by image_size, "
            "addresses of local ones."
        },
    )
    layers: dict[str, Any] | None = field(
        default=None,
        metadata={
            "help": "Tables of other people to join to the rows: name -> address of a CSV, TAB, "
            "Parquet or JSON file with a column of ids of images, studies or patients, or name -> "
            "the fields of cxr_datasets.layers.Layer; the name of a layer that the dataset knows "
            "tells its form. Columns are called <name>_<column>; where a key has several rows, "
            "<name> is a list.",
            "metavar": "NAME=ADDRESS",
        },
    )
    connections: int | None = field(
        default=None,
        metadata={
            "help": "Most requests at once to a remote store. Default: 8 to web servers, more to "
            "object stores."
        },
    )

    cache: str | int | None = field(
        default=None,
        metadata={
            "metavar": "SIZE",
            "help": "Most that is kept on a disk of the images of a remote copy, such as 200GB: "
            "those once fetched are read from there, and the least used go first. Default: "
            "nothing is kept.",
        },
    )
    cache_folder: str | None = field(
        default=None,
        metadata={
            "help": "Folder on a disk of this machine in which cache keeps them, closed to other "
            "users. Default: the cache of datasets."
        },
    )

    def check(self, raw_views: tuple[str, ...]) -> None:
        """Check the options' values.

        Args:
            raw_views: The dataset's own names of views.

        Raises:
            OptionError: One of them is not known.
        """
        if self.views is not None:
            self.views = check_views(self.views, raw_views)
        if self.images is not None:
            self.images = os.fspath(self.images)
        for name, choices in _CHOICES.items():
            value = getattr(self, name, choices[0])
            if value not in choices:
                raise OptionError.unknown(name, value, choices)
        self._check_numbers()
        self.cache, self.cache_folder = check_options(self.cache, self.cache_folder)
        self._check_resizing()
        self.check_cohort()

    def _check_numbers(self) -> None:
        if self.image_size is not None and not is_whole(self.image_size, least=1):
            raise OptionError(
                f"image_size={self.image_size!r} is not a number of pixels. Give the short side "
                "as a positive integer, such as 512."
            )
        if self.connections is not None and not is_whole(self.connections, least=1):
            raise OptionError(
                f"connections={self.connections!r} is not a number of requests. Give a positive "
                "integer, such as 8."
            )
        for option in fields(self):
            if is_whole(number := getattr(self, option.name)):
                setattr(self, option.name, int(number))  # NumPy's would not go into a key

    def _check_resizing(self) -> None:
        if self.image_size is None and self.image_format != JPEG:
            raise OptionError(
                f"image_format={self.image_format!r} needs image_size: without it the release's "
                "own files are used as they are."
            )
        if self.image_size is not None and self.embed is False:
            raise OptionError(
                "embed=False cannot be combined with image_size: images made smaller have no "
                "address, only bytes. Leave one of the two out."
            )

    def embeds(self, source: Source) -> bool:
        """Whether images that are in a source are stored as bytes."""
        if self.embed is None:
            return source.is_remote or self.image_size is not None
        return self.embed

    def looks_ahead(self, source: Source) -> bool:
        """Whether all image files, which are in a source, are looked for before any is read.

        Where remote images are fetched anyway, looking for each first would take as long again.
        """
        embeds = self.embeds(source)
        if self.name == "reports" or (source.is_remote and embeds):
            return False
        return self.missing != "error" or (self.damaged != "error" and embeds)

    @property
    def skips(self) -> bool:
        """Whether rows may be left out that the tables list."""
        return self.name != "reports" and "skip" in (self.missing, self.damaged)

    def key(self) -> dict[str, Any]:
        """The options that decide what the rows hold, for the cache key."""
        plain = {option.name for option in fields(datasets.BuilderConfig)}
        others = (*plain, *_NOT_IN_THE_ROWS, *self.cohort_names())
        own = {
            option.name: getattr(self, option.name)
            for option in fields(self)
            if option.name not in others
        }
        return {**own, **self.cohort_key()}


def option_help(config_class: type[CxrConfig]) -> dict[str, str]:
    """Describe the options of a dataset.

    Args:
        config_class: Its config.

    Returns:
        Name -> what the option does, in one or two sentences; those of `CxrConfig` first, then
        the dataset's own.
    """
    described = (option for option in fields(config_class) if "help" in option.metadata)
    return {option.name: option.metadata["help"] for option in described}


def place_options(config_class: type[CxrConfig]) -> list[str]:
    """Names of the options that name places which are read, `data_dir` first."""
    own = (option.name for option in fields(config_class) if option.metadata.get("place"))
    return ["data_dir", *own]


def check_views(views: str | Iterable[str], raw: Sequence[str]) -> list[str]:
    """Check the value of the option `views`.

    Args:
        views: One name or several: normalised ones, or the release's own.
        raw: The release's own names of views.

    Returns:
        The names without repetition, in the order of `VIEWS` and `raw`.

    Raises:
        OptionError: A name is neither, or there is none.
    """
    asked = [views] if isinstance(views, str) else list(views)
    known = (*VIEWS, *raw)
    for view in asked:
        if view not in known:
            raise OptionError.unknown("views", view, known)
    if not asked:
        raise OptionError(f"views is empty. Leave it out for all, or choose from {known}.")
    return [view for view in known if view in asked]
