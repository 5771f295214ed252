"""The options that every dataset here has."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import datasets

from cxr_datasets.builder.missing import CHOICES
from cxr_datasets.builder.views import check_views
from cxr_datasets.errors import OptionError
from cxr_datasets.images.resize import FORMATS, JPEG
from cxr_datasets.storage.source import Source

_NOT_IN_THE_ROWS = ("connections",)
"""Options that change how fast the rows come, not what they hold."""


@dataclass
class CxrConfig(datasets.BuilderConfig):
    """Options of a dataset; a dataset with options of its own derives from this.

    Each field says in its metadata what it does, for the command line and the docs; see
    `option_help`.
    """

    views: list[str] | None = field(
        default=None,
        metadata={
            "help": "Keep only images of these views: frontal, lateral, oblique, unknown, or the "
            "dataset's own names; default: all. In configs studies and reports a study left "
            "without an image is dropped."
        },
    )
    missing: str = field(
        default=CHOICES[0],
        metadata={
            "help": "What becomes of an image whose file is absent: error refuses to build, skip "
            "leaves out its row, null keeps the row with a null image. With image_size the same "
            "holds for a file that does not decode."
        },
    )
    image_size: int | None = field(
        default=None,
        metadata={
            "help": "Short side in pixels: images are decoded, made smaller and embedded, never "
            "enlarged. Default: the release's own files as they are."
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
    connections: int | None = field(
        default=None,
        metadata={
            "help": "Most requests at once to a remote store. Default: 8 to web servers, more to "
            "object stores."
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
        if self.missing not in CHOICES:
            raise OptionError.unknown("missing", self.missing, CHOICES)
        if self.image_format not in FORMATS:
            raise OptionError.unknown("image_format", self.image_format, FORMATS)
        if self.image_size is None and self.image_format != JPEG:
            raise OptionError(
                f"image_format={self.image_format!r} goes with image_size: without it the "
                "release's own files are used as they are."
            )
        if self.image_size is not None and not _is_positive_integer(self.image_size):
            raise OptionError(
                f"image_size={self.image_size!r} is not a number of pixels. Give the short side "
                "as a positive integer, such as 512."
            )
        if self.embed not in (None, True, False):
            raise OptionError.unknown("embed", self.embed, (True, False, None))
        if self.embed is False and self.image_size is not None:
            raise OptionError(
                "embed=False goes without image_size: images made smaller have no address, only "
                "bytes. Leave one of the two out."
            )
        if self.connections is not None and not _is_positive_integer(self.connections):
            raise OptionError(
                f"connections={self.connections!r} is not a number of requests. Give a positive "
                "integer, such as 8."
            )

    def embeds(self, source: Source) -> bool:
        """Whether images of a source are stored as bytes."""
        if self.embed is None:
            return source.is_remote or self.image_size is not None
        return self.embed

    def looks_ahead(self, source: Source) -> bool:
        """Whether it is found out before anything is read which image files are there.

        Where remote images are fetched anyway, looking for each first would take as long again.
        """
        if self.name == "reports" or self.missing == "error":
            return False
        return not (source.is_remote and self.embeds(source))

    def key(self) -> dict[str, Any]:
        """The options that decide what the rows hold, for the cache key."""
        plain = {option.name for option in fields(datasets.BuilderConfig)}
        return {
            option.name: getattr(self, option.name)
            for option in fields(self)
            if option.name not in (*plain, *_NOT_IN_THE_ROWS)
        }


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


def _is_positive_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
