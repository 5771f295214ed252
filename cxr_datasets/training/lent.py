"""Memory that a worker lends to the main process, and uses again once it comes back.

What a worker of a `DataLoader` sends lies in memory that both processes share. torch takes new
memory for each batch, and the kernel has to fill each page of it with zeros before its first use:
of a row of 448 x 448 floats that takes half as long as decoding the image. Here the main process
marks the memory of a batch as free once the last tensor that lies in it is gone, and the worker
puts a later batch there. Each piece of memory begins with a page for that mark.

A piece is lent only with a batch that is sent as `Lending`, and only if nothing else in the worker
refers to it, such as a view that is sent beside. If a batch is changed on its way, by a collation
around ours, or if it is kept, its memory is never used again. Nor is that of a batch that the main
process has while it forks: the child reads the same memory.
"""

from __future__ import annotations

import mmap
import os
import sys
import weakref
from contextlib import suppress
from math import prod
from multiprocessing.reduction import DupFd, ForkingPickler
from threading import Lock
from typing import Any

import numpy as np

MOST_PIECES = 6
"""Pieces that a worker keeps. A `DataLoader` has two batches of each worker under way, the main
process uses one or two, and one is made."""

LEAST_BYTES = 1 << 16
"""Tensors with fewer bytes are sent as they are: to share memory takes longer than to copy them."""

_FREE, _TAKEN, _GONE = 0, 1, 2
"""Marks: it can be used again; it is in use; it never can be, as a forked process may read it."""

_KINDS = "biufc"
"""Kinds of numbers that numpy has, too."""

_lock = Lock()
"""Held while a piece is chosen, as rows may be made in several threads."""

_forks = 0
"""How often this process was forked."""


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
        self._count_uses = torch._C._storage_Use_Count
        self.is_lent = False

    @property
    def _uses(self) -> int:
        """How many tensors of this process lie in it, views too."""
        return int(self._count_uses(self._storage._cdata)) - 1

    @property
    def is_free(self) -> bool:
        """Whether it can be used again."""
        return self._mark[0] == _FREE and not self._uses

    @property
    def is_lost(self) -> bool:
        """Whether it will never be free."""
        never = self._mark[0] == _GONE or (self._mark[0] == _TAKEN and not self.is_lent)
        return never and not self._uses

    def tensor(self, shape: tuple[int, ...], kind: np.dtype[Any]) -> Any:
        """Take it for a tensor of any content."""
        import torch

        self._mark[0], self.is_lent = _TAKEN, False
        empty: Any = torch.empty(0, dtype=getattr(torch, kind.name))
        return empty.set_(self._storage, mmap.PAGESIZE // kind.itemsize, shape)

    def holds(self, tensor: Any) -> bool:
        """Whether a tensor begins where it does, so that its place and shape tell the tensor."""
        start = self._storage.data_ptr() + mmap.PAGESIZE
        return bool(tensor.data_ptr() == start and tensor.is_contiguous())

    @property
    def is_alone(self) -> bool:
        """Whether a single tensor lies in it."""
        return self._uses == 1


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
    with _lock:
        return _taken(shape, kind, size)


def _taken(shape: tuple[int, ...], kind: np.dtype[Any], size: int) -> Any:
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
        """Make a plain dictionary of it wherever it is copied, or kept in a file."""
        return dict, (dict(self),)


def _reduced(batch: Lending) -> Any:
    """Send small tensors as they are, and of those in our own memory the place alone."""
    return _received, ([(name, *_sent(batch, name)) for name in batch],)


ForkingPickler.register(Lending, _reduced)  # of queues and pipes between processes alone


def _sent(batch: Lending, name: str) -> tuple[Any, ...]:
    """A function and its arguments that make a value again where it is received."""
    import torch

    value = batch[name]
    if type(value) is not torch.Tensor or not _is_plain(value):
        return _same, value
    piece = next((piece for piece in list(_pieces) if piece.holds(value)), None)
    del value
    if piece is not None and piece.is_lent:  # sent before: it may be marked as free meanwhile
        return _same, batch[name].clone()
    if piece is not None and piece.is_alone and _is_only_here(batch, name):
        piece.is_lent = True
        kind = str(batch[name].dtype).removeprefix("torch.")
        return _opened, DupFd(piece.file), tuple(batch[name].shape), kind
    if piece is None and batch[name].nbytes < LEAST_BYTES:
        return torch.from_numpy, batch[name].numpy()
    if not batch[name].is_shared():  # torch would move it, away from the arrays that lie in it
        return _same, batch[name].clone()
    return _same, batch[name]


def _is_plain(tensor: Any) -> bool:
    """Whether it is what an array of numpy can be."""
    import torch

    if tensor.requires_grad or tensor.device.type != "cpu" or tensor.layout is not torch.strided:
        return False
    name = str(tensor.dtype).removeprefix("torch.")
    has_kind = hasattr(np, name) or name == "bool"
    return has_kind and np.dtype(name).kind in _KINDS and not (tensor.is_conj() or tensor.is_neg())


def _is_only_here(batch: Lending, name: str) -> bool:
    """Whether nothing but the batch refers to a value of it, such as a list that is sent, too."""
    other = {name: object()}
    return sys.getrefcount(batch[name]) == sys.getrefcount(other[name])


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
    weakref.finalize(array, _give_back, memory, os.getpid(), _forks).atexit = False
    return torch.from_numpy(array)


def _give_back(memory: mmap.mmap, receiver: int, forks: int) -> None:
    if os.getpid() == receiver:  # and not a process that was forked from it later
        memory[0] = _FREE if forks == _forks else _GONE


def _count_fork() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_count_fork)
