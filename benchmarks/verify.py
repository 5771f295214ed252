"""How fast checksums are compared, against `sha256sum` on as many cores; and the tables of a copy.

    python benchmarks/verify.py [--rounds N]

Hashed are some 570 files of 1.6 MB, the mean size of an image, whose list of checksums is compared;
their tables and folders are looked at before, in time that is left out. Then the tables and folders
of the full-scale release of `release.py`, and no image.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from harness import Ratio, main
from release import folder, full_release

from cxr_datasets.copies import verify
from mimic_cxr_jpg.synthetic import write_release

_FILES_A_PROCESS = 16
_IMAGE_BYTES = 1_624_000


def _listed() -> Path:
    """A release whose images have the usual size, of random bytes; made if it is not there."""
    root = folder() / "release-to-hash"
    if not (root / ".complete").exists():
        shutil.rmtree(root, ignore_errors=True)
        write_release(root, patients=150, scale=1 / 64)
        sums = []
        for image in sorted(root.glob("files/*/*/*/*.jpg")):
            content = os.urandom(_IMAGE_BYTES)
            image.write_bytes(content)
            sums.append(f"{hashlib.sha256(content).hexdigest()} {image.relative_to(root)}\n")
        (root / "SHA256SUMS.txt").write_text("".join(sums))
        (root / ".complete").touch()
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
    _listed(), full_release()
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
