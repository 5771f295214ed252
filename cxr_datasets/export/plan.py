"""Which rows go into which file of an export.

Nothing here depends on how many processes write, or on when they do: the same release and the same
options always give the same files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder.builder import CxrBuilder
from cxr_datasets.builder.priors import most_priors
from cxr_datasets.columns import plural
from cxr_datasets.images.resize import JPEG
from cxr_datasets.tables.index import SplitBlocks
from cxr_datasets.tables.sealed import opened

if TYPE_CHECKING:
    from cxr_datasets.export.forms import Form

FILE_BYTES = 400_000_000
"""Size that a file should have: nearly all then stay under the 500 MB that the Hub advises."""

FILES_OF_SMALL_SPLITS = 8
"""Files into which a split is cut that has rows enough, though its size asks for fewer. The workers
of a `DataLoader` share a stream out by whole files: if there is one, one worker reads it."""

ROWS_OF_SMALL_SPLITS = 256
"""Rows that each of these files has at least."""

BYTES_A_SQUARE = {JPEG: 0.4, "png": 0.9}
"""Bytes of a resized image over the square of its short side: 105 kB of JPEG at 512 pixels."""

TEXT_BYTES = 1_000
"""Bytes of a row without its images, compressed."""


@dataclass(frozen=True)
class PlannedFile:
    """One file of an export, before it is written.

    Attributes:
        name: Its place in the folder, such as `images/train-00017-of-00256.parquet`.
        split: The split whose rows it holds.
        first: Number of its first block in the index file.
        end: Number after its last block.
        rows: Rows in these blocks. Fewer are written if images are skipped.
        images: Images in these rows; in config `reports`, the number of rows.
        earlier: Images of earlier studies in these rows, at most.
    """

    name: str
    split: str
    first: int
    end: int
    rows: int
    images: int
    earlier: int = 0


def plan_files(
    index: str,
    splits: Mapping[str, SplitBlocks],
    builder: CxrBuilder,
    form: Form,
    rows_per_file: int | None = None,
) -> list[PlannedFile]:
    """Decide which rows go into which file.

    A split is cut into as few files as keep each within `FILE_BYTES`, by the usual size of its
    images, but into no fewer than `FILES_OF_SMALL_SPLITS` where each of them gets
    `ROWS_OF_SMALL_SPLITS` rows. The files are as even as whole blocks of the index (at most 256
    rows each) allow. A file holds at least one block.

    Args:
        index: The index file.
        splits: Its splits.
        builder: Its builder, with the options.
        form: The form of the files.
        rows_per_file: Most rows in a file, as far as whole blocks allow. None: the sizes decide.

    Returns:
        The files of all splits, in order.
    """
    config = builder.config.name
    counts = _count_images(index, config, most_priors(builder.config))
    planned: list[PlannedFile] = []
    for split, part in splits.items():
        images = sum(sum(counts[number][1:]) for number in part.blocks)
        if rows_per_file is None:
            size = _usual_bytes(part.rows, images, builder, form)
            for_workers = min(FILES_OF_SMALL_SPLITS, part.rows // ROWS_OF_SMALL_SPLITS)
            files = max(for_workers, -(-size // FILE_BYTES))
        else:
            files = -(-part.rows // rows_per_file)
        files = min(files, len(part.blocks))
        for number, (first, end) in enumerate(_even_parts(part.blocks, files)):
            blocks = counts[first:end]
            planned.append(
                PlannedFile(
                    name=f"{config}/{split}-{number:05d}-of-{files:05d}{form.suffix}",
                    split=split,
                    first=first,
                    end=end,
                    rows=sum(rows for rows, *_ in blocks),
                    images=sum(images for _, images, _ in blocks),
                    earlier=sum(earlier for *_, earlier in blocks),
                )
            )
    return planned


def usual_bytes(files: Iterable[PlannedFile], builder: CxrBuilder, form: Form) -> int:
    """Estimate how many bytes these files will take on disk."""
    return sum(_usual_bytes(file.rows, file.images + file.earlier, builder, form) for file in files)


def _usual_bytes(rows: int, images: int, builder: CxrBuilder, form: Form) -> int:
    text = rows * TEXT_BYTES
    if builder.config.name == "reports" or not form.holds_images:
        return text
    return text + images * _image_bytes(builder)


def _image_bytes(builder: CxrBuilder) -> int:
    original, config = builder.place.bytes_each or builder.MEAN_IMAGE_BYTES, builder.config
    if config.image_size is None:
        return original
    return min(original, int(BYTES_A_SQUARE[config.image_format] * config.image_size**2))


def _count_images(index: str, config_name: str, priors: int) -> list[tuple[int, int, int]]:
    """Count the rows, the images and those of earlier studies of every block of an index file."""
    with opened(index) as reader:
        blocks = map(reader.get_batch, range(reader.num_record_batches))
        return [
            (len(block), _images_in(block, config_name), _earlier_in(block, config_name, priors))
            for block in blocks
        ]


def _images_in(block: pa.RecordBatch, config_name: str) -> int:
    return len(block.column(plural("path")).flatten()) if config_name == "studies" else len(block)


def _earlier_in(block: pa.RecordBatch, config_name: str, priors: int) -> int:
    if not priors or config_name == "reports":
        return 0
    before = pc.subtract(block.column("study_number"), 1)
    counts = pc.min_element_wise(before, priors, skip_nulls=False)
    return pc.sum(counts).as_py() or 0


def _even_parts(blocks: range, parts: int) -> Iterator[tuple[int, int]]:
    for part in range(parts):
        yield tuple(  # type: ignore[misc]
            blocks.start + len(blocks) * number // parts for number in (part, part + 1)
        )
