"""An export holds a few dozen MB of images in memory, however many there are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_datasets.synthetic import jpeg_bytes
from mimic_cxr_jpg.synthetic import write_release
from tests.helpers import run_python

ALL_IMAGES = 500e6
"""Bytes, at least, of the images that are exported."""

IN_MEMORY = 350
"""Megabytes by which the process may grow meanwhile, at most."""

PROGRAM = """
from pathlib import Path

def peak():  # of this program alone: the system's other figure counts the process that began it
    line = next(line for line in Path("/proc/self/status").open() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024

from cxr_datasets.export import export
export("mimic-cxr-jpg", {release!r}, {out!r}, config={config!r}, split="validation",
       cache_dir={cache!r}, progress=False)
before = peak()
export("mimic-cxr-jpg", {release!r}, {out!r}, config={config!r}, split="train",
       cache_dir={cache!r}, progress=False)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system tells no peak")
@pytest.mark.parametrize("config", [pytest.param("images", marks=pytest.mark.thorough), "studies"])
def test_many_large_images_are_exported_in_little_memory(config: str, tmp_path: Path) -> None:
    release = write_release(tmp_path / "release", patients=40, scale=1 / 64)
    pixels = np.random.default_rng(0).integers(0, 256, (2000, 2000), np.uint8)
    (tmp_path / "large.jpg").write_bytes(jpeg_bytes(Image.fromarray(pixels)))
    size = 0
    for image in release.glob("files/*/*/*/*.jpg"):
        image.unlink()
        os.link(tmp_path / "large.jpg", image)
        size += image.stat().st_size
    assert size > ALL_IMAGES
    places = {name: str(tmp_path / name) for name in ("release", "out", "cache")}
    program = PROGRAM.format(config=config, **places)
    finished = run_python(program, cwd=tmp_path, pythonpath="")
    assert finished.returncode == 0, finished.stderr
    assert int(finished.stdout) < IN_MEMORY
