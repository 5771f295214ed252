"""Arrays that a worker of a `DataLoader` hands over without copying them.

What a worker sends lies in memory that it shares with the main process. torch's own collation
copies each row there, and fresh shared memory is slow to fill: of a row of 448 x 448 floats that
takes a third as long as decoding the image. So pixels are written there at once, if our own
collation, which then has nothing to copy, is seen at work in the same worker.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from contextlib import suppress
from math import prod
from typing import Any

import numpy as np

from cxr_datasets.images.together import worker_of_loader

_POPULATE_WRITE = 23
"""Advice of `madvise`, since Linux 5.14: make all pages of some memory ready to be written."""

_ours = False
"""Whether batches of this worker are collated here."""


def expect_collation() -> None:
    """Say that `stacked` makes the batches of this process."""
    global _ours
    _ours = worker_of_loader() is not None


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    """An array of any content, which lies in shared memory where that spares a copy."""
    kind = np.dtype(dtype)
    size = prod(shape) * kind.itemsize
    if not size or not _ours or worker_of_loader() is None:
        return np.empty(shape, dtype)
    import torch

    storage = torch.UntypedStorage._new_shared(size, device="cpu")  # as torch's own collation
    _make_ready(storage.data_ptr(), size)
    return torch.empty(0, dtype=getattr(torch, kind.name)).set_(storage).view(shape).numpy()


def _make_ready(address: int, size: int) -> None:
    """Map all pages of fresh memory at once, in two thirds of the time that one by one takes.

    It is only advice: where the system does not know it, pages come as they are written.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            advise = ctypes.CDLL(None).madvise
            advise(ctypes.c_void_p(address), ctypes.c_size_t(size), ctypes.c_int(_POPULATE_WRITE))


def stacked(arrays: Sequence[np.ndarray[Any, Any]]) -> Any:
    """Stack arrays of one shape to a tensor; rows of one batch without a copy."""
    return tensor(_whole(arrays))


def tensor(array: np.ndarray[Any, Any]) -> Any:
    """The tensor whose memory an array is."""
    import torch

    if isinstance(array.base, torch.Tensor) and array.base.shape == array.shape:
        return array.base  # it knows that it is shared
    return torch.from_numpy(array)


def _whole(arrays: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """The batch that arrays are the rows of, all and in order; else a new one of them."""
    first = arrays[0]
    shape = (len(arrays), *first.shape)
    whole = first.base
    if isinstance(whole, np.ndarray) and (whole.shape, whole.dtype) == (shape, first.dtype):
        starts = [array.__array_interface__["data"][0] for array in arrays]
        rows = [row.__array_interface__["data"][0] for row in whole]
        if starts == rows and all(array.base is whole for array in arrays):
            return whole
    return np.stack(arrays, out=empty(shape, first.dtype))
