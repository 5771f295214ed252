"""What is to be written: which rows into which files, and what decides the bytes of each.

Nothing here depends on how many processes write, or on when, so the same release and options
always give the same files.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

import pyarrow as pa

from cxr_datasets._version import __version__
from cxr_datasets.builder.builder import CxrBuilder
from cxr_datasets.builder.config import CxrConfig
from cxr_datasets.columns import plural
from cxr_datasets.images.resize import JPEG
from cxr_datasets.tables.index import SplitShards

FORMAT = 1
"""To be raised when the same rows are written as other bytes: row groups, encodings, names."""

FILE_BYTES = 400_000_000
"""What a file is meant to hold, so that nearly all stay under the 500 MB that the Hub advises."""

ORIGINAL_BYTES = 1_600_000
"""Of one of the releases' images: 570 GB of 377,110 in MIMIC-CXR-JPG, 14 GB of 7,466 in Indiana."""

BYTES_A_SQUARE = {JPEG: 0.4, "png": 0.9}
"""Bytes of an image made smaller over the square of its short side: 105 kB of JPEG at 512."""

PRESENT = "image files that are there"

TEXT_BYTES = 1_000
"""Of one row without its images, compressed."""


@dataclass(frozen=True)
class Shard:
    """One file of an export.

    Attributes:
        name: Its place in the folder, such as `images/train-00017-of-00256.parquet`.
        split: Whose rows it holds.
        first: Number of its first shard in the index file.
        end: Number after its last one.
        rows: Rows of them; fewer may be written if images are skipped.
        images: Images of these rows; in config `reports`, rows.
    """

    name: str
    split: str
    first: int
    end: int
    rows: int
    images: int


def plan_shards(
    index: str,
    splits: Mapping[str, SplitShards],
    config: CxrConfig,
    rows_per_shard: int | None = None,
) -> list[Shard]:
    """Decide what goes into which file.

    A split is cut into as few files as keep each within `FILE_BYTES`, given what an image of its
    kind usually takes, and as even as whole shards of the index (256 rows at most) allow. A file
    holds at least one of these.

    Args:
        index: The index file.
        splits: Its splits.
        config: The options.
        rows_per_shard: Most rows of a file, as far as whole shards of the index allow; None
            leaves it to the sizes.

    Returns:
        The files of all splits, in order.
    """
    counts = _count_images(index, config.name)
    shards: list[Shard] = []
    for split, part in splits.items():
        images = sum(counts[number][1] for number in part.shards)
        if rows_per_shard is None:
            files = -(-_usual_bytes(part.rows, images, config) // FILE_BYTES)
        else:
            files = -(-part.rows // rows_per_shard)
        files = min(files, len(part.shards))
        for number, (first, end) in enumerate(_even_parts(part.shards, files)):
            held = counts[first:end]
            shards.append(
                Shard(
                    name=f"{config.name}/{split}-{number:05d}-of-{files:05d}.parquet",
                    split=split,
                    first=first,
                    end=end,
                    rows=sum(rows for rows, _ in held),
                    images=sum(images for _, images in held),
                )
            )
    return shards


def usual_bytes(shards: list[Shard], config: CxrConfig) -> int:
    """What these files will take on disk, roughly."""
    return sum(_usual_bytes(shard.rows, shard.images, config) for shard in shards)


def _usual_bytes(rows: int, images: int, config: CxrConfig) -> int:
    text = rows * TEXT_BYTES
    return text if config.name == "reports" else text + images * _usual_image_bytes(config)


def _usual_image_bytes(config: CxrConfig) -> int:
    if config.image_size is None:
        return ORIGINAL_BYTES
    return min(ORIGINAL_BYTES, int(BYTES_A_SQUARE[config.image_format] * config.image_size**2))


def _count_images(index: str, config_name: str) -> list[tuple[int, int]]:
    """Rows and images of every shard of an index file."""
    with pa.memory_map(index) as file:
        reader = pa.ipc.open_file(file)
        batches = map(reader.get_batch, range(reader.num_record_batches))
        if config_name != "studies":
            return [(len(batch), len(batch)) for batch in batches]
        return [(len(batch), len(batch.column(plural("path")).flatten())) for batch in batches]


def _even_parts(shards: range, parts: int) -> Iterator[tuple[int, int]]:
    for part in range(parts):
        yield tuple(  # type: ignore[misc]
            shards.start + len(shards) * number // parts for number in (part, part + 1)
        )


def versions() -> dict[str, str]:
    """Of everything that has a say in the bytes of a file."""
    return {"cxr-datasets": __version__, "pyarrow": version("pyarrow"), "pillow": version("pillow")}


def identity(dataset: str, builder: CxrBuilder, rows_per_shard: int | None) -> dict[str, Any]:
    """Give all that decides the bytes of the files, as it stands in the manifest.

    It names no place of this machine and no address: what a file is called and when it changed.
    """
    options = {name: shown(value) for name, value in builder.config.key().items()}
    del options["embed"]  # an export always holds the images
    release = {
        posixpath.basename(name.rstrip("/")) or ".": f"{size:,} bytes, {_told_state(changed)}"
        for name, size, changed in builder.release.stamps()
    }
    if builder.found is not None:
        release[PRESENT] = builder.found
    identity = {
        "dataset": dataset,
        "config": builder.config.name,
        "options": {**options, "rows_per_shard": rows_per_shard},
        "release": release,
        "versions": {**versions(), "code": builder.hash, "format": str(FORMAT)},
    }
    return json.loads(json.dumps(identity))  # as it is compared with one that was read


def _told_state(changed: str) -> str:
    """What a stamp says beyond the size: a version, or a time of change."""
    try:
        moment = datetime.fromtimestamp(float(changed), timezone.utc)
    except (ValueError, OverflowError, OSError):
        return f"version {changed}"
    return f"changed {moment.isoformat()}"


def shown(value: Any) -> Any:
    """An option's value as it may leave this machine: of a path or address, its last part."""
    if isinstance(value, str) and re.search(r"[/\\]", value):
        return re.split(r"[/\\]", re.sub(r"[?#].*", "", value).rstrip("/\\"))[-1]
    return value


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say in words what differs between two identities, or parts of them."""
    found = []
    for part, prefix in _PARTS.items():
        before, now = old.get(part), new.get(part)
        if not isinstance(before, Mapping) or not isinstance(now, Mapping):
            before, now = {part: before}, {part: now}
        found += [
            f"{prefix}{name}: {_told(before.get(name))} there, {_told(now.get(name))} now"
            for name in dict.fromkeys([*before, *now])
            if before.get(name) != now.get(name)
        ]
    return found


_PARTS = {"dataset": "", "config": "", "options": "", "release": "release, ", "versions": ""}


def _told(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else repr(value)
