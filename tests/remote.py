"""A release on a loopback PhysioNet beside the same release on disk, and rows to compare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import datasets

from cxr_datasets.columns import PIXELS
from tests.fakes.physionet import PhysioNet

MIMIC = "files/mimic-cxr-jpg/2.1.0"
MIMIC_REPORTS = "files/mimic-cxr/2.1.0"
INDIANA = "files/indiana-cxr/1.0"

Row = dict[str, Any]


@dataclass
class Remote:
    """One dataset on a server, and the same files on disk.

    Attributes:
        package: The dataset's package, the name it is loaded by.
        server: Serves both datasets and the reports.
        release: The folder that is served.
        place: Where, on the server.
        cache: What remote loads use as `cache_dir`; local ones have their own.
        reports: On disk, the archive of the reports; None if they need none.
    """

    package: str
    server: PhysioNet
    release: Path
    place: str
    cache: str
    reports: Path | None = None

    @property
    def address(self) -> str:
        """What to give as `data_dir`."""
        return self.server.address(self.place)

    def load(self, config: str = "images", **options: Any) -> Any:
        """Load from the server."""
        options = {"data_dir": self.address, "cache_dir": self.cache, **options}
        return datasets.load_dataset(self.package, config, **options)

    def stream(self, config: str = "images", split: str = "train", **options: Any) -> Any:
        """Stream one split from the server."""
        return self.load(config, split=split, streaming=True, **options)

    def local(self, config: str = "images", **options: Any) -> Any:
        """Load from disk."""
        if self.reports is not None:
            options = {"reports": str(self.reports), **options}
        options = {"data_dir": str(self.release), "cache_dir": f"{self.cache}-local", **options}
        return datasets.load_dataset(self.package, config, **options)

    def asked(self, pattern: str, method: str = "GET") -> list[str]:
        """Paths of the requests so far whose path ends so."""
        return [
            request.path
            for request in self.server.requests
            if request.method == method and request.path.endswith(pattern)
        ]

    @property
    def suffix(self) -> str:
        """How the names of images end."""
        return ".png" if self.package == "indiana_cxr" else ".jpg"

    @property
    def images(self) -> str:
        """Regular expression for the paths of images."""
        return f"\\{self.suffix}$"


def rows_of(splits: Mapping[str, Any]) -> dict[str, list[Row]]:
    """Every row of every split, built or streamed, as `rows` gives them."""
    return {name: list(rows(split)) for name, split in splits.items()}


def rows(split: Any) -> Iterator[Row]:
    """Rows of one split, undecoded: `image` is the file's bytes, wherever they are held."""
    for table in split.with_format("arrow").iter(batch_size=8):
        for row in table.to_pylist():
            for name in row.keys() & set(PIXELS):
                row[name] = _bytes(row[name])
            yield row


def _bytes(image: Any) -> Any:
    if isinstance(image, list):
        return [_bytes(one) for one in image]
    if image is None or image["bytes"] is not None:
        return image and image["bytes"]
    return Path(image["path"]).read_bytes()


def taken(split: Any, count: int) -> list[Row]:
    """The first rows of a split."""
    return list(islice(rows(split), count))


def until_it_fails(split: Iterable[Row], error: type[Exception]) -> tuple[list[Row], Exception]:
    """The rows that come before an error, and the error."""
    found = []
    try:
        for row in split:
            found.append(row)
    except error as raised:
        return found, raised
    raise AssertionError(f"No {error.__name__} came.")
