"""A program that ends in the middle of reading ends without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.physionet import PhysioNet
from tests.helpers import run_python

ROOT = Path(__file__).resolve().parents[4]

# Where torch was imported first, the modules of asyncio are gone before these are closed.
ENDS = """
import torch
import datasets, mimic_cxr_jpg
from cxr_datasets.training import ImageTransform, collate_studies
def streamed():
    return datasets.load_dataset("mimic_cxr_jpg", data_dir={data!r}, cache_dir="cache",
                                 split="train", streaming=True)
pixels = ImageTransform(32).on(streamed().select_columns(["image"]))
one = iter(streamed())
two = iter(streamed().shuffle(seed=1))
three = iter(torch.utils.data.DataLoader(pixels, 2, collate_fn=collate_studies()))
print(*(len(next(rows)) > 0 for rows in (one, two, three)))
"""


def test_rows_that_were_begun_leave_no_errors_behind(mimic_release: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with PhysioNet({"release": mimic_release}, open_access=True, latency=0.05) as server:
        program = ENDS.format(data=server.address("release"))
        finished = run_python(program, cwd=tmp_path, pythonpath=ROOT)
    assert (finished.returncode, finished.stdout) == (0, "True True True\n"), finished.stderr
    assert "Traceback" not in finished.stderr
    assert "Error" not in finished.stderr
