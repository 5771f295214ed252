"""How fast checksums are compared, against `sha256sum` on as many cores; and the tables of a copy.

    python benchmarks/verify.py [--rounds N]

The files are the real-size images of `release.py`, hashed as a release whose list holds them; and
once its full-scale release, of which tables and folders are looked at and no image.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from harness import Ratio, main
from release import full_release, real_size_images, real_size_release

from cxr_datasets.copies import verify

_FILES_A_PROCESS = 16


def _listed() -> Path:
    """A release of real-size images, with their checksums; made if it is not there."""
    root = real_size_release()
    sums, done = root / "SHA256SUMS.txt", root / ".sums"
    if not done.exists():
        images = sorted(root.glob("files/*/*/*/*.jpg"))
        said = subprocess.run(
            ["sha256sum", *(str(image.relative_to(root)) for image in images)],
            cwd=root, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        sums.unlink()
        sums.write_text(said.replace("  ", " "))
        done.touch()
    return root


def checksums() -> float:
    """Compare all checksums; the time of the tables and the list of files is left out."""
    root = _listed()
    begun = time.perf_counter()
    verify(root, progress=False)
    others = time.perf_counter() - begun
    begun = time.perf_counter()
    verified = verify(root, checksums=True, progress=False)
    seconds = time.perf_counter() - begun
    assert verified.problems == 0, verified
    return seconds - others


def sha256sum() -> float:
    """Hash the same files by `sha256sum`, in as many processes at once as there are cores."""
    root = _listed()
    names = [line.split(" ", 1)[1] for line in (root / "SHA256SUMS.txt").read_text().splitlines()]
    begun = time.perf_counter()
    subprocess.run(
        ["xargs", "-0", "-n", str(_FILES_A_PROCESS), "-P", str(os.cpu_count()), "sha256sum"],
        input="\0".join(names), cwd=root, text=True, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return time.perf_counter() - begun


def tables_and_folders() -> float:
    """Look at the tables and the folders of a release of 377,110 images."""
    root = full_release()
    begun = time.perf_counter()
    assert verify(root, progress=False).images is not None
    return time.perf_counter() - begun


def walk() -> float:
    """List the same folders by `os.walk`, with the size of each file, and no more."""
    root = full_release()
    begun = time.perf_counter()
    for above, _, names in os.walk(root):
        for name in names:
            os.stat(os.path.join(above, name))
    return time.perf_counter() - begun


if __name__ == "__main__":
    _listed(), full_release(), real_size_images()
    main(
        "Is a copy proven as fast as its files are hashed?",
        {
            "cxr verify --checksums": checksums,
            "sha256sum, all cores": sha256sum,
            "cxr verify, 377,110 images": tables_and_folders,
            "os.walk and stat": walk,
        },
        [
            Ratio(
                "speed against sha256sum",
                "sha256sum, all cores",
                "cxr verify --checksums",
                ">= 0.8",
            ),
            Ratio("time against a walk", "cxr verify, 377,110 images", "os.walk and stat"),
        ],
        rounds=3,
    )
