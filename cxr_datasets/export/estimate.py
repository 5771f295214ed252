"""What an export would write, and how long it would take: measured on a sample, nothing written."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from cxr_datasets.builder.tally import Tally
from cxr_datasets.export.folder import Folder
from cxr_datasets.export.manifest import finished_files
from cxr_datasets.export.options import ExportOptions
from cxr_datasets.export.plan import PlannedFile
from cxr_datasets.export.prepare import Prepared
from cxr_datasets.export.tasks import image_ids
from cxr_datasets.tables import index as index_file

_SAMPLE = {"images": 64, "studies": 32, "reports": 2_048}
"""Rows of a sample, by config."""

_BLOCKS = 64
"""Most blocks of the index that a sample is taken from."""

_LONGEST_SAMPLE = 30.0
"""Seconds after which a sample ends, on a slow store."""

_HOUR, _MINUTE = 3600, 60


@dataclass(frozen=True)
class ExportEstimate:
    """What an export would still write.

    Attributes:
        out: Its folder or address.
        config: The config.
        rows: Rows to write, with those that `missing` and `damaged` may leave out.
        files: Files to write.
        finished: Files that are finished already.
        bytes: About so many bytes, by the sample.
        seconds: About so many, on this machine.
        images_per_second: The rate of the sample; in config `reports`, that of studies.
        sampled: Images, or studies, of the sample.
        absent: Images of the sample whose file is absent.
        damaged: Images of the sample whose file is damaged.
        free: Free bytes of the disk that is written to; None: a store does not tell.
    """

    out: str
    config: str
    rows: int
    files: int
    finished: int
    bytes: int
    seconds: float
    images_per_second: float
    sampled: int
    absent: int
    damaged: int
    free: int | None

    @property
    def fits(self) -> bool | None:
        """Whether there is room for the bytes; None: that is not known."""
        return None if self.free is None else self.bytes <= self.free

    @property
    def problems(self) -> int:
        """1 if there is no room, else 0."""
        return int(self.fits is False)

    def as_json(self) -> dict[str, Any]:
        """Give all attributes, and whether it fits, by name."""
        return {**asdict(self), "fits": self.fits}

    def __str__(self) -> str:
        if not self.files:
            return f"{self.out}: {self.config}, all {self.finished:,} files are finished"
        unit = "studies" if self.config == "reports" else "images"
        return (
            f"{self.out}: {self.config}, {self.rows:,} rows, about {self.bytes:,} bytes in "
            f"{self.files:,} files to write ({self.finished:,} finished), in "
            f"{_told_time(self.seconds)} at {self.images_per_second:,.1f} {unit} a second "
            f"({self.sampled:,} {unit} tried on this machine{self._told_faults()}). "
            f"{self._told_room()}. Nothing was written."
        )

    def _told_faults(self) -> str:
        faults = {"absent": self.absent, "damaged": self.damaged}
        return "".join(f", {count:,} of them {what}" for what, count in faults.items() if count)

    def _told_room(self) -> str:
        if self.free is None:
            return "How much room there is, the store does not tell"
        return f"{self.free:,} bytes are free: {'enough' if self.fits else 'not enough'}"


def estimate(prepared: Prepared) -> ExportEstimate:
    """Find out what an export would write, by writing a sample of its rows to nowhere.

    Args:
        prepared: The export.

    Raises:
        CxrError: As `export` before it writes; or none of the sampled images is there and whole.
    """
    folder = prepared.folder
    finished = finished_files(folder, prepared.header, prepared.planned, adopt=False)
    left = [file for file in prepared.chosen if file.name not in finished]
    sample = _tried(prepared, left)
    images = sum(file.images for file in left)
    return ExportEstimate(
        out=str(folder),
        config=prepared.config,
        rows=sum(file.rows for file in left),
        files=len(left),
        finished=len(prepared.chosen) - len(left),
        bytes=round(sample.bytes_each * images + sample.bytes_a_file * len(left)),
        seconds=round(images / sample.per_second, 1) if images else 0.0,
        images_per_second=round(sample.per_second, 1),
        sampled=sample.images,
        absent=sample.tally.absent,
        damaged=sample.tally.damaged,
        free=free_bytes(folder),
    )


def free_bytes(folder: Folder) -> int | None:
    """Give the free bytes of the disk that an export is on, or will be; None: a store's."""
    if not folder.is_local:
        return None
    place = Path(folder.place())
    there = next(above for above in (place, *place.parents) if above.exists())
    return shutil.disk_usage(there).free


@dataclass(frozen=True)
class _Sample:
    """Rows of an export that were read, re-encoded and written to nowhere, as it would do it.

    Attributes:
        images: How many images they have; in config `reports`, how many rows.
        seconds: How long it took.
        bytes_each: Bytes that an image takes in a file, with its share of the texts.
        bytes_a_file: Bytes of a file without rows.
        tally: How many images are absent or damaged.
    """

    images: int = 0
    seconds: float = 1.0
    bytes_each: float = 0.0
    bytes_a_file: int = 0
    tally: Tally = field(default_factory=lambda: Tally(goes_on=True))

    @property
    def per_second(self) -> float:
        return self.images / self.seconds


def _tried(prepared: Prepared, files: Sequence[PlannedFile]) -> _Sample:
    if not files:
        return _Sample()
    reader, threads = prepared.reader, _threads(prepared.options)
    builder, bytes_as = reader.builder, prepared.form.bytes_of
    tally = Tally(goes_on=True)
    blocks = [block for file in files for block in range(file.first, file.end)]
    chosen = _spread(reader.index, blocks, _SAMPLE[prepared.config])
    counts: list[int] = []
    first = reader.complete([chosen.slice(0, 1)], threads, Tally(goes_on=True))
    one = bytes_as(builder, _until_late(first, counts))  # by itself, as the first image is slow
    alone = max(1, sum(counts))
    counts.clear()
    begun = time.monotonic()
    size = bytes_as(builder, _until_late(reader.complete([chosen], threads, tally), counts))
    seconds = time.monotonic() - begun
    reader.builder.check_any(tally)
    images = sum(counts)
    each = (size - one) / (images - alone) if images > alone else 0.0
    # A file of one row has all that a file has beside its rows.
    of_a_file = max(bytes_as(builder, []), one - round(each * alone))
    return _Sample(images, seconds, max(0.0, each), of_a_file, tally)


def _threads(options: ExportOptions) -> int:
    """How many threads work on images at once, on this machine."""
    cores = os.cpu_count() or 1
    return min(options.num_proc or cores, cores)


def _spread(index: str, blocks: Sequence[int], rows: int) -> pa.Table:
    """Take so many rows of an index file, or all, spread evenly over some of its blocks."""
    places = index_file.spread_places(len(blocks), _BLOCKS).tolist()
    chosen = index_file.read_blocks(index, [blocks[place] for place in places], rows=1)
    table = pa.concat_tables(chosen)
    return table.take(pa.array(index_file.spread_places(len(table), rows)))


def _until_late(tables: Iterable[pa.Table], counts: list[int]) -> Iterator[pa.Table]:
    """Give tables until the time of a sample is over, and note how many images each has."""
    end = time.monotonic() + _LONGEST_SAMPLE
    for table in tables:
        counts.append(len(image_ids(table)))
        yield table
        if time.monotonic() > end:
            return


def _told_time(seconds: float) -> str:
    for unit, size in (("hours", _HOUR), ("minutes", _MINUTE)):
        if seconds >= size:
            return f"about {seconds / size:,.1f} {unit}"
    return f"about {seconds:,.0f} seconds" if seconds >= 1.5 else "about a second"
