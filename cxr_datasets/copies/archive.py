"""A release that is kept as the one archive in which its publisher gives it."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from pathlib import Path

import pyarrow as pa

from cxr_datasets.copies.bring import Bringer, lacking, strings
from cxr_datasets.copies.results import Downloaded, size_told
from cxr_datasets.copies.run import Run
from cxr_datasets.errors import DownloadError

_PIECE = 2**20


def fetch_archive(run: Run, name: str) -> Downloaded:
    """Fetch the archive, and compare the tables in it with the published ones.

    Args:
        run: The download, whose folder is locked.
        name: Name of the archive.

    Raises:
        DownloadError: Its tables are not those that were published.
        CxrError: It cannot be fetched. What came of it is kept, and the next run goes on.
    """
    wanted, copy = run.wanted, run.copy
    file, digests = strings([name]), strings([None])
    missing = pa.array(lacking(copy, file, digests, again=False, tell=lambda files, size: None))
    images = _images_in(run)
    _require_room(run, images if missing[0].as_py() else 0)
    bringer = Bringer(copy, run.fetcher, lambda files, size: None)
    brought = bringer.bring(file.filter(missing), digests.filter(missing), small=False)
    if not brought.faults:
        _check_tables(run, copy.place(name))
        copy.clear()
    return Downloaded(
        dataset=wanted.dataset,
        release=wanted.version,
        out=str(copy.root),
        source=run.fetcher.shown(),
        images=images,
        present=1 - len(file.filter(missing)),
        fetched=brought.files,
        bytes=brought.bytes,
        seconds=0.0,
        faults=brought.faults,
        call=f"load_dataset({wanted.dataset.replace('-', '_')!r}, "
        f"data_dir={str(copy.place(name))!r})",
    )


def _images_in(run: Run) -> int:
    published = run.wanted.kind.PUBLISHED
    counts = published.counts.get(run.wanted.version, {}) if published else {}
    return sum(part.images for part in counts.values())


def _require_room(run: Run, images: int) -> None:
    need, free = images * run.wanted.kind.MEAN_IMAGE_BYTES, run.copy.free()
    if need > free:
        raise run.copy.no_room(
            f"the archive needs about {size_told(need)}, {size_told(free)} are free."
        )


def _check_tables(run: Run, place: Path) -> None:
    """Require that the tables in an archive are those that were published.

    Raises:
        DownloadError: They are not.
    """
    faults = []
    with zipfile.ZipFile(place) as archive:
        for table in run.wanted.tables:
            expected = table.sha256.get(run.wanted.version)
            if expected is None:
                continue
            try:
                found = _sha256(archive, table.files[0])
            except (zipfile.BadZipFile, zlib.error, EOFError):
                faults.append(f"{table.files[0]} is damaged")
                continue
            if found != expected:
                told = "is not there" if found is None else "has another sha256"
                faults.append(f"{table.files[0]} {told}")
    if faults:
        raise DownloadError(
            f"{place} is not the archive of release {run.wanted.version} as it was published: "
            f"{', '.join(faults)}. If it was changed on its way, remove it and start again; if the "
            "publisher has a new version, it is not known here yet."
        )


def _sha256(archive: zipfile.ZipFile, name: str) -> str | None:
    digest = hashlib.sha256()
    try:
        with archive.open(name) as member:
            while piece := member.read(_PIECE):
                digest.update(piece)
    except KeyError:
        return None
    return digest.hexdigest()
