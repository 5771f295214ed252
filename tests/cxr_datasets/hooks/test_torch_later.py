"""Streams that are made before torch is imported: without it, and afterwards as ever."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

import cxr_datasets
from tests.helpers import run_python

ROOT = Path(cxr_datasets.__file__).parents[1]

CODE = """
import importlib.util, pickle, sys
from datasets import Dataset, load_dataset
import mimic_cxr_jpg

stream = load_dataset("mimic_cxr_jpg", data_dir=RELEASE,
                      split="train", streaming=True).select_columns(["image_id"])
shuffled, copied = stream.shuffle(seed=1), pickle.loads(pickle.dumps(stream))
other = Dataset.from_dict({"row": range(8)}).to_iterable_dataset(num_shards=2)
first = [row["image_id"] for row in stream]
assert importlib.util.find_spec("torch") is not None  # as transformers asks
assert "torch" not in sys.modules

import inspect
import torch
from torch.utils.data import DataLoader, IterableDataset

for made in (stream, shuffled, copied, other):
    assert isinstance(made, IterableDataset)
    assert made._epoch.is_shared()
assert inspect.getsource(torch) and "_Loader" not in repr(torch.__spec__)
assert not [finder for finder in sys.meta_path if "cxr" in type(finder).__module__]

loader = DataLoader(shuffled, None, num_workers=2, persistent_workers=True)
orders = []
for epoch in range(2):
    shuffled.set_epoch(epoch)
    orders.append([row["image_id"] for row in loader])
assert sorted(orders[0]) == sorted(orders[1]) == sorted(first)
assert orders[0] != orders[1]
assert sorted(row["row"] for row in DataLoader(other, None, num_workers=2)) == [*range(8)]
"""


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
def test_a_stream_made_before_torch_is_imported_is_one_of_torchs_afterwards(
    small_release: Path, tmp_path: Path
) -> None:
    code = CODE.replace("RELEASE", repr(str(small_release)))
    done = run_python(code, cwd=tmp_path, pythonpath=ROOT, timeout=120, forked=True)
    assert done.returncode == 0, done.stderr
