"""Files whose bytes depend on their content only: images, tables, folders, archives."""

from __future__ import annotations

import csv
import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from PIL import Image

from cxr_datasets.errors import OptionError
from cxr_datasets.storage.addresses import is_remote, shown

# The oldest time that a zip archive can hold. Any fixed time would do.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def new_root(out: str | os.PathLike[str]) -> Path:
    """Make the folder `out`, which must be empty or not be there yet.

    Raises:
        OptionError: `out` is a file, an address in a store, or holds something. Nothing is ever
            overwritten.
    """
    if is_remote(os.fspath(out)):
        raise OptionError(
            f"{shown(os.fspath(out))} is no folder on a disk of this machine, and a release is "
            "written to no other place. Give a folder, and copy it to the store."
        )
    root = Path(out)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise OptionError(
            f"{root} is not an empty folder, and nothing is overwritten: "
            "name a folder that is empty or not there yet."
        )
    root.mkdir(parents=True, exist_ok=True)
    return root


def jpeg_bytes(image: Image.Image, *, quality: int = 95) -> bytes:
    """Encode an image as JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def png_bytes(image: Image.Image) -> bytes:
    """Encode an image as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Write a table as CSV: UTF-8, LF line ends, quotes only where they are needed."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue().encode()


def gzip_bytes(data: bytes) -> bytes:
    """Compress with gzip, with neither a name nor a time in the header."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as stream:
        stream.write(data)
    return buffer.getvalue()


def write_files(root: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Write (path relative to `root`, content) pairs as files, making the folders they need."""
    for name, data in members:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def write_zip(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Write (member name, content) pairs as a zip archive with fixed times and modes.

    A name that ends with `/` is a folder; see `with_folders`.
    """
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name, _ZIP_TIME)
            info.create_system = 3  # Unix, so that the mode below is read as one.
            info.external_attr = 0o40755 << 16 | 0x10 if name.endswith("/") else 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED if data else zipfile.ZIP_STORED
            archive.writestr(info, data)


def write_tar_gz(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Write (member name, content) pairs as a tar.gz archive with fixed times, owners and modes.

    A name that ends with `/` is a folder; see `with_folders`.
    """
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            info.mode = 0o755 if name.endswith("/") else 0o644
            archive.addfile(info, io.BytesIO(data))


def with_folders(members: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Put an empty `folder/` member before the first member inside it, as `zip -r` and tar do."""
    seen: set[str] = set()
    for name, data in members:
        parts = name.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth]) + "/"
            if folder not in seen:
                seen.add(folder)
                yield folder, b""
        yield name, data
