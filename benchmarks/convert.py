"""Is a copy of 512 pixels, or of unchanged files, written faster than by other libraries?

The peers write what a user's loop gives them: all pixels decoded, Lanczos, JPEG of quality 95; or
the bytes of the file. Each of two processes has a writer of its own, as their manuals say, and
litData starts its two itself. `bare` are two processes that decode at the fitting scale, resize and
encode, and write nothing. The disk alone: one process reads the files, writes their bytes into one
and syncs it; ours is synced too, the peers' are not.

Seconds count from the first call on, with the start of processes and without the imports of this
one. A peer that is not installed is left out: `pip install ".[bench]"`.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path

import PIL.Image
from harness import Ratio, main
from release import folder, real_size_release

from cxr_datasets.export import export
from cxr_datasets.images.resize import JPEG_QUALITY, reencode

PATIENTS = 240
PROCESSES = 2
SIZE = 512

Content = Callable[[str], bytes]
"""From the path of an image to the bytes that are stored."""


def paths() -> list[str]:
    """All images of the release."""
    root = real_size_release(PATIENTS)
    return [str(path) for path in sorted(root.glob("files/*/*/*/*.jpg"))]


def unchanged(path: str) -> bytes:
    """The file as it is."""
    return Path(path).read_bytes()


def usual(path: str) -> bytes:
    """The file made smaller, as it is written by hand."""
    image = PIL.Image.open(path)
    factor = SIZE / min(image.size)
    size = (round(image.width * factor), round(image.height * factor))
    out = BytesIO()
    image.resize(size, PIL.Image.Resampling.LANCZOS).save(out, "jpeg", quality=JPEG_QUALITY)
    return out.getvalue()


def scaled(path: str) -> int:
    """Ours, with nothing around it."""
    return len(reencode(Path(path).read_bytes(), SIZE, "jpeg"))


def ours(size: int | None, num_proc: int | None) -> float:
    """`cxr export`."""
    root = real_size_release(PATIENTS)
    return _timed(
        lambda out: export(
            "mimic-cxr-jpg", root, f"{out}/out", cache_dir=f"{out}/cache", progress=False,
            num_proc=num_proc, **({} if size is None else {"image_size": size}),
        )
    )  # fmt: skip


def bare(_: str) -> None:
    """Read, decode, resize, encode."""
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        pool.map(scaled, paths(), chunksize=8)
        pool.close()
        pool.join()


def disk(out: str) -> None:
    """Copy all bytes into one file."""
    with open(f"{out}/all", "wb") as file:
        for path in paths():
            with open(path, "rb") as image:
                shutil.copyfileobj(image, file)
        file.flush()
        os.fsync(file.fileno())


def in_processes(
    write: Callable[[str, list[str], Content], None], content: Content, out: str
) -> None:
    """Let each process write a share of the images with a writer of its own."""
    found, context = paths(), multiprocessing.get_context("spawn")
    shares = [(f"{out}/{number}", found[number::PROCESSES], content) for number in range(PROCESSES)]
    with context.Pool(PROCESSES) as pool:
        pool.starmap(write, shares)
        pool.close()
        pool.join()


def write_mds(out: str, some: list[str], content: Content) -> None:
    """MosaicML's format."""
    from peers import mosaic

    with mosaic().MDSWriter(columns={"image": "bytes", "id": "str"}, out=out) as writer:
        for path in some:
            writer.write({"image": content(path), "id": Path(path).stem})


def write_webdataset(out: str, some: list[str], content: Content) -> None:
    """Tar files."""
    from webdataset import ShardWriter

    Path(out).mkdir()
    with ShardWriter(f"{out}/%05d.tar", verbose=0) as writer:
        for path in some:
            writer.write({"__key__": Path(path).stem, "jpg": content(path)})


def write_litdata(content: Content, out: str) -> None:
    """LitData's chunks."""
    from litdata import optimize

    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        optimize(
            fn=partial(_row, content), inputs=paths(), output_dir=f"{out}/chunks",
            chunk_bytes="64MB", num_workers=PROCESSES, start_method="spawn", verbose=False,
        )  # fmt: skip


def _row(content: Content, path: str) -> dict[str, object]:
    return {"image": content(path), "id": Path(path).stem}


def _timed(work: Callable[[str], object]) -> float:
    """Seconds in which something is written into a folder of its own."""
    with tempfile.TemporaryDirectory(dir=folder()) as out:
        start = time.perf_counter()
        work(out)
        return time.perf_counter() - start


PEERS: dict[str, tuple[str, Callable[[Content, str], None]]] = {
    "MDS": ("mosaicml-streaming", partial(in_processes, write_mds)),
    "WebDataset": ("webdataset", partial(in_processes, write_webdataset)),
    "litData": ("litdata", write_litdata),
}
"""Name -> the package, and what writes with it."""


def is_installed(package: str) -> bool:
    """Whether a package is there."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


INSTALLED = {name: write for name, (package, write) in PEERS.items() if is_installed(package)}

KINDS: dict[str, tuple[int | None, Content]] = {
    "512": (SIZE, usual),
    "unchanged": (None, unchanged),
}


def contenders() -> dict[str, Callable[[], float]]:
    """What is run in turn."""
    found: dict[str, Callable[[], float]] = {}
    for kind, (size, content) in KINDS.items():
        found |= {
            f"{kind}: export, 2 processes": partial(ours, size, PROCESSES),
            f"{kind}: export, 1 process": partial(ours, size, None),
            **{
                f"{kind}: {name}": partial(_timed, partial(write, content))
                for name, write in INSTALLED.items()
            },
        }
    return found | {
        "512: bare": lambda: _timed(bare),
        "unchanged: disk alone": lambda: _timed(disk),
    }


def ratios() -> list[Ratio]:
    """What is to be told of them."""
    found = []
    for kind, floor in (("512", "512: bare"), ("unchanged", "unchanged: disk alone")):
        for how in ("2 processes", "1 process"):
            own = f"{kind}: export, {how}"
            found.append(Ratio(f"{floor} / {own} (rate)", floor, own,
                               ">= 0.95" if kind == "512" else ""))  # fmt: skip
            found += [
                Ratio(f"{kind}: {name} / export, {how}", f"{kind}: {name}", own, ">= 1.7")
                for name in INSTALLED
            ]
    return found


if __name__ == "__main__":
    real_size_release(PATIENTS)
    for name in PEERS.keys() - INSTALLED.keys():
        print(f"{name} is not installed and is left out")
    main("converting real-size images; seconds", contenders(), ratios(), rounds=3)
