"""The options that every dataset here has."""

from __future__ import annotations

from dataclasses import dataclass, fields
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

    Attributes:
        views: Keep only images of these views: normalised names (`frontal`, `lateral`, `oblique`,
            `unknown`) or, where the dataset has them, its own. In configs `studies` and `reports`
            a study left without an image is dropped. None: all.
        missing: What an image whose file is absent becomes: `error` refuses to build, `skip`
            leaves out its row, `null` keeps the row with a null image. With `image_size` the same
            holds for a file that does not decode.
        image_size: Short side in pixels of the images, which are then decoded, made smaller and
            embedded; never enlarged. None: the release's own files, referred to by path.
        image_format: `jpeg` (quality 95) or `png` (lossless), of images made by `image_size`.
        embed: Whether a built or streamed dataset holds the images' bytes, or only where they
            are. None: bytes of remote images and of those made by `image_size`, addresses of
            local ones.
        connections: Most requests at once to a remote store. None: 8 to web servers, more to
            object stores.
    """

    views: list[str] | None = None
    missing: str = CHOICES[0]
    image_size: int | None = None
    image_format: str = JPEG
    embed: bool | None = None
    connections: int | None = None

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
        plain = {field.name for field in fields(datasets.BuilderConfig)}
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in (*plain, *_NOT_IN_THE_ROWS)
        }


def _is_positive_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
