"""Images as Arrow columns, and decode errors that say which image it was."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.errors import ImageError

IMAGE_TYPE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
"""How `datasets` stores an image: embedded bytes, or the path of the file to open."""


@dataclass
class XrayImage(datasets.Image):
    """`datasets.Image` whose decode errors name the file.

    For a truncated file Pillow, and so `datasets`, says how many bytes were left over but not of
    which file. This class says which. It is stored, compared and written out as a plain
    `datasets.Image`, so files and Hub repositories made from it need nothing of this project.
    """

    def decode_example(
        self, value: dict[str, Any], token_per_repo_id: dict[str, Any] | None = None
    ) -> Any:
        """Decode one stored image.

        Args:
            value: `{"bytes": ..., "path": ...}` as stored.
            token_per_repo_id: Passed on to `datasets`.

        Returns:
            A `PIL.Image.Image`, mode `L` for the releases this project reads.

        Raises:
            ImageError: The file is absent, truncated or no image.
        """
        try:
            return super().decode_example(value, token_per_repo_id=token_per_repo_id)
        except Exception as error:  # Pillow, zlib and zipfile each have errors of their own
            raise ImageError(_describe(value, error)) from error

    def __eq__(self, other: object) -> bool:
        """Equal to a plain `datasets.Image` of the same settings, so features still align."""
        if not isinstance(other, datasets.Image):
            return NotImplemented
        return asdict(self) == asdict(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Print as what it is stored as."""
        return f"Image(mode={self.mode!r}, decode={self.decode!r})"


def _describe(value: Any, error: Exception) -> str:
    path = value.get("path") if isinstance(value, dict) else value
    if isinstance(error, FileNotFoundError):
        return (
            f"image {path} is not there. Fetch it again, or load with missing='skip' to leave out "
            "rows whose file is absent, or missing='null' to keep them without an image."
        )
    where = path or "(embedded, without a path)"
    return (
        f"image {where} does not decode: {type(error).__name__}: {error}. "
        "The file is probably an unfinished or damaged download: compare it with the release's "
        "checksums and fetch it again."
    )


def name_images(feature: Any) -> Any:
    """Replace every plain `datasets.Image` inside a feature by an `XrayImage` of its settings."""
    if type(feature) is datasets.Image:
        return XrayImage(mode=feature.mode, decode=feature.decode)
    if isinstance(feature, dict):
        return type(feature)({name: name_images(inner) for name, inner in feature.items()})
    if isinstance(feature, list):
        return [name_images(inner) for inner in feature]
    if hasattr(feature, "feature"):  # datasets.List, datasets.Sequence
        return replace(feature, feature=name_images(feature.feature))
    return feature


def image_array(
    addresses: pa.Array, contents: pa.Array | None = None, present: pa.Array | None = None
) -> pa.StructArray:
    """Build the stored form of a column of images.

    Args:
        addresses: What `datasets` opens to read each image; strings.
        contents: Bytes to embed, or None to refer to the files by address.
        present: Which images exist; the others become null. None: all.

    Returns:
        Array of `IMAGE_TYPE`, as long as `addresses`.
    """
    embedded = pa.nulls(len(addresses), pa.binary()) if contents is None else contents
    absent = None if present is None else pc.invert(present)
    return pa.StructArray.from_arrays([embedded, addresses], ["bytes", "path"], mask=absent)
