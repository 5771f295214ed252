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

MEGABYTES = 700


@pytest.mark.parametrize("config", ["images", "studies"])
def test_many_large_images_are_exported_in_little_memory(config: str, tmp_path: Path) -> None:
    release = write_release(tmp_path / "release", patients=60, scale=1 / 64)
    pixels = np.random.default_rng(0).integers(0, 256, (2000, 2000), np.uint8)
    (tmp_path / "large.jpg").write_bytes(jpeg_bytes(Image.fromarray(pixels)))
    size = 0
    for image in release.glob("files/*/*/*/*.jpg"):
        image.unlink()
        os.link(tmp_path / "large.jpg", image)
        size += image.stat().st_size
    assert size > MEGABYTES * 1e6
    finished = run_python(
        f"""
import resource
from cxr_datasets.export import export
export("mimic-cxr-jpg", {str(release)!r}, {str(tmp_path / "out")!r}, config={config!r},
       cache_dir={str(tmp_path / "cache")!r}, progress=False)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
""",
        cwd=tmp_path,
        pythonpath="",
    )
    assert finished.returncode == 0, finished.stderr
    assert int(finished.stdout) < MEGABYTES
