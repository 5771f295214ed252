"""Images as Arrow columns, and decode errors that say which image it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from typing import Any, ClassVar

import datasets
import numpy as np
import PIL.ExifTags
import PIL.Image
import PIL.ImageOps
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets import limits
from cxr_datasets.errors import ImageError, StoreError
from cxr_datasets.images.faults import address_of, image_fault
from cxr_datasets.images.opening import open_image
from cxr_datasets.limits import check_limit
from cxr_datasets.storage.by_address import read_address
from cxr_datasets.storage.credentials import is_starting_a_process
from cxr_datasets.storage.kept import Kept
from cxr_datasets.storage.sessions import sessions
from cxr_datasets.storage.source import Source

IMAGE_TYPE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
"""How `datasets` stores an image: embedded bytes, or the path of the file to open."""


@dataclass
class XrayImage(datasets.Image):
    """`datasets.Image` that opens few formats only, and whose decode errors name the file.

    `datasets` lets Pillow open all that it knows, and Pillow gives PostScript to another program,
    whatever the file is called. Of a truncated file both tell how many bytes were left over, but
    not which file it is. This class opens what `cxr_datasets.images.opening` names, and tells. It
    is stored, compared and written as a plain `datasets.Image`, so files and Hub repositories made
    from it need nothing of this project.

    Attributes:
        source: Where the images are, if those once fetched are kept (option `cache`); else None.
            It is no field, so it is in no file. A process that gets the dataset, in whatever way,
            gets it too, and reads addresses by it; see `read_address`.
    """

    source: ClassVar[Kept | None] = None

    def __deepcopy__(self, memo: Any) -> XrayImage:
        return self.at(self.source)

    def __getstate__(self) -> dict[str, Any]:
        if self.source is None or is_starting_a_process():
            return self.__dict__
        # Elsewhere the options are not known, and their key would change the hash of the dataset.
        return {**self.__dict__, "source": self.source.without_options()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.source is not None:
            sessions.same_source(self.source)

    def at(self, source: Source | None) -> XrayImage:
        """The same feature for images of a place, which counts if they are kept."""
        image = XrayImage(mode=self.mode, decode=self.decode)
        if isinstance(source, Kept):
            image.__dict__["source"] = source
        return image

    def decode_example(self, value: Any, token_per_repo_id: dict[str, Any] | None = None) -> Any:
        """Decode one stored image.

        Args:
            value: `{"bytes": ..., "path": ...}` as stored.
            token_per_repo_id: Not used: a store is asked with what the release was loaded with.

        Returns:
            A `PIL.Image.Image`, upright by its EXIF orientation, in the mode of the file: `L` for
            the releases this project reads. What is decoded already is given back as it is.

        Raises:
            ImageError: The file is absent, truncated, no image of a format that is opened, or
                beyond a limit; or the column is one with `decode=False`.
        """
        if not self.decode:
            raise ImageError(
                "The column was cast to Image(decode=False), so its images are not decoded. Cast "
                "it to Image() first."
            )
        if isinstance(value, str):
            value = {"bytes": None, "path": value}
        if not isinstance(value, Mapping):
            return value  # as `datasets` does
        try:
            return _decoded(stored_file(value), self.mode)
        except StoreError:
            raise
        except Exception as error:  # Pillow, zlib and zipfile each have errors of their own
            raise ImageError(image_fault(address_of(value), error)) from error

    def __eq__(self, other: object) -> bool:
        """Compare as a plain `datasets.Image` of the same settings, so that features align."""
        if not isinstance(other, datasets.Image):
            return NotImplemented
        return asdict(self) == asdict(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Print as what it is stored as."""
        return f"Image(mode={self.mode!r}, decode={self.decode!r})"


def stored_file(image: Mapping[str, Any]) -> str | BytesIO:
    """Give of a stored image what can be opened: the path of a local file, or the bytes.

    Raises:
        ValueError: It has neither bytes nor a path.
        TooLargeError: Its bytes are more than an image may have.
        StoreError: A store refuses it, or failed again and again.
    """
    content, path = image.get("bytes"), image.get("path")
    if content is None:
        if path is None:
            raise ValueError("neither bytes nor a path is given")
        if "://" not in path:
            return path
        content = read_address(path, limits.LARGEST_IMAGE)
    check_limit(len(content), limits.LARGEST_IMAGE)
    return BytesIO(content)


def _decoded(file: str | BytesIO, mode: str | None) -> PIL.Image.Image:
    """Decode an image as `datasets` does: upright, and in a mode if one is asked for."""
    image: PIL.Image.Image = open_image(file)
    image.load()  # and so the file is closed
    if image.getexif().get(PIL.ExifTags.Base.Orientation) is not None:
        image = PIL.ImageOps.exif_transpose(image)
    return image.convert(mode) if mode and mode != image.mode else image


def name_images(feature: Any, source: Source | None = None) -> Any:
    """Replace every `datasets.Image` inside a feature by an `XrayImage` of its settings.

    Args:
        feature: Features, or a part of them.
        source: Where the images are.
    """
    if isinstance(feature, datasets.Image):
        return XrayImage(mode=feature.mode, decode=feature.decode).at(source)
    if isinstance(feature, dict):
        named = {name: name_images(inner, source) for name, inner in feature.items()}
        return type(feature)(named)
    if isinstance(feature, list):
        return [name_images(inner, source) for inner in feature]
    if hasattr(feature, "feature"):  # datasets.List, datasets.Sequence
        return replace(feature, feature=name_images(feature.feature, source))
    return feature


def image_array(addresses: pa.Array, present: pa.Array | None = None) -> pa.StructArray:
    """Build a column of images that are stored as addresses.

    Args:
        addresses: What `datasets` opens to read each image; strings.
        present: Boolean for each image; absent ones become null. None: all are present.

    Returns:
        Array of `IMAGE_TYPE`, as long as `addresses`.
    """
    nothing = pa.nulls(len(addresses), pa.binary())
    absent = None if present is None else pc.invert(present)
    return pa.StructArray.from_arrays([nothing, addresses], fields=list(IMAGE_TYPE), mask=absent)


def embedded_images(names: pa.Array, contents: Sequence[bytes | None]) -> pa.ChunkedArray:
    """Build a column of images that are stored as bytes.

    Each image is a chunk of its own that refers to its bytes. Copying them would cost as much as
    reading them from a warm disk.

    Args:
        names: File names to keep beside the bytes; strings.
        contents: Bytes of each image; None becomes null.

    Returns:
        Chunked array of `IMAGE_TYPE`, as long as `names`.
    """
    images = [
        pa.nulls(1, IMAGE_TYPE)
        if content is None
        else pa.StructArray.from_arrays(
            [_one_binary(content), names.slice(number, 1)], fields=list(IMAGE_TYPE)
        )
        for number, content in enumerate(contents)
    ]
    return pa.chunked_array(images, IMAGE_TYPE)


def _one_binary(content: bytes) -> pa.Array:
    offsets = pa.py_buffer(np.array([0, len(content)], np.int32))
    return pa.BinaryArray.from_buffers(pa.binary(), 1, [None, offsets, pa.py_buffer(content)])
