"""Memory that a worker lends to the main process, and uses again once it comes back.

What a worker of a `DataLoader` sends lies in memory that both processes share. torch takes new
memory for each batch, and the kernel has to fill each page of it with zeros before its first use:
of a row of 448 x 448 floats that takes half as long as decoding the image. Here the main process
marks the memory of a batch as free once the last tensor that lies in it is gone, and the worker
puts a later batch there. Each piece of memory begins with a page for that mark.

A piece is lent only with a batch that is sent as `Lending`. If a batch is changed on its way, by
a collation around ours, or if it is kept, its memory is never used again.
"""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Callable
from contextlib import suppress
from math import prod
from multiprocessing.reduction import DupFd
from typing import Any

import numpy as np

MOST_PIECES = 6
"""Pieces that a worker keeps. A `DataLoader` has two batches of each worker under way, the main
process uses one or two, and one is made."""

LEAST_BYTES = 1 << 16
"""Tensors with fewer bytes are sent as they are: to share memory takes longer than to copy them."""

_FREE, _TAKEN = 0, 1


class _Piece:
    """Shared memory of this worker.

    Attributes:
        size: Its bytes, without the page of its mark.
        is_lent: Whether what lies in it was sent, so that the main process marks it as free.
    """

    def __init__(self, size: int):
        import torch

        whole = mmap.PAGESIZE + size
        self.size = size
        self.file = os.memfd_create("cxr-batch")
        weakref.finalize(self, os.close, self.file)
        os.truncate(self.file, whole)
        self._mark = mmap.mmap(self.file, mmap.PAGESIZE)
        # A storage that torch takes for shared, so that torch itself sends it without a copy, too.
        storage: Any = torch.UntypedStorage
        self._storage = storage._new_shared_fd_cpu(self.file, whole)
        self._tensor: Callable[[], Any] = lambda: None
        self.is_lent = False

    @property
    def is_free(self) -> bool:
        """Whether it can be used again."""
        return self._mark[0] == _FREE and self._tensor() is None

    @property
    def is_lost(self) -> bool:
        """Whether nobody will ever mark it as free."""
        return self._mark[0] == _TAKEN and not self.is_lent and self._tensor() is None

    def tensor(self, shape: tuple[int, ...], kind: np.dtype[Any]) -> Any:
        """Take it for a tensor of any content."""
        import torch

        self._mark[0], self.is_lent = _TAKEN, False
        empty: Any = torch.empty(0, dtype=getattr(torch, kind.name))
        made = empty.set_(self._storage, mmap.PAGESIZE // kind.itemsize, shape)
        self._tensor = weakref.ref(made)
        return made

    def holds(self, tensor: Any) -> bool:
        """Whether it was taken for this very tensor."""
        return self._tensor() is tensor


_pieces: list[_Piece] = []
"""Those of this process."""


def lent(shape: tuple[int, ...], dtype: Any) -> Any:
    """A tensor of any content in memory that may have been used before.

    Returns:
        It; None if it is too small, or the system has no such memory, or too much of it is away.
    """
    kind = np.dtype(dtype)
    size = prod(shape) * kind.itemsize
    if size < LEAST_BYTES or not hasattr(os, "memfd_create"):
        return None
    _pieces[:] = [piece for piece in _pieces if not piece.is_lost]
    free = [piece for piece in _pieces if piece.is_free]
    fitting = next((piece for piece in free if piece.size >= size), None)
    if fitting is None:
        if free:  # all too small
            _pieces.remove(free[0])
        if len(_pieces) >= MOST_PIECES:
            return None
        # A system that does not allow it or has no more files to open; a torch that names it anew.
        with suppress(OSError, AttributeError):
            fitting = _Piece(size)
            _pieces.append(fitting)
    return None if fitting is None else fitting.tensor(shape, kind)


class Lending(dict[str, Any]):
    """A batch of a worker, which becomes a plain dictionary in the process that receives it."""

    def __reduce__(self) -> Any:
        """Send small tensors as they are, and of those in our own memory the place alone."""
        return _received, ([(name, *_sent(value)) for name, value in self.items()],)


def _sent(value: Any) -> tuple[Any, ...]:
    """A function and its arguments that make a value again where it is received."""
    import torch

    if not isinstance(value, torch.Tensor) or value.requires_grad or value.is_cuda:
        return _same, value
    piece = next((piece for piece in _pieces if piece.holds(value)), None)
    if piece is not None and not piece.is_lent:
        piece.is_lent = True
        kind = str(value.dtype).removeprefix("torch.")
        return _opened, DupFd(piece.file), tuple(value.shape), kind
    if piece is not None:  # sent before, so that it may be marked as free while this is read
        return _same, value.clone()
    if value.nbytes < LEAST_BYTES and value.dtype is not torch.bfloat16:
        return torch.from_numpy, value.numpy()
    return _same, value


def _received(columns: list[tuple[Any, ...]]) -> dict[str, Any]:
    return {name: make(*arguments) for name, make, *arguments in columns}


def _same(value: Any) -> Any:
    return value


def _opened(file: Any, shape: tuple[int, ...], kind: str) -> Any:
    """A tensor in memory that is lent by a worker; it is given back with the last use of it."""
    import torch

    number = file.detach()
    try:
        memory = mmap.mmap(number, mmap.PAGESIZE + prod(shape) * np.dtype(kind).itemsize)
    finally:
        os.close(number)
    array = np.ndarray(shape, kind, memory, mmap.PAGESIZE)
    # The tensor, and whatever shares its memory, holds the array.
    weakref.finalize(array, _give_back, memory, os.getpid()).atexit = False
    return torch.from_numpy(array)


def _give_back(memory: mmap.mmap, receiver: int) -> None:
    if os.getpid() == receiver:  # and not a process that was forked from it later
        memory[0] = _FREE
