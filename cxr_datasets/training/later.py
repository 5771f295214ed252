"""Pixels that a worker of a `DataLoader` hands over as bytes, for the main process to scale.

What a worker sends lies in fresh memory that it shares with the main process, and the system fills
that with zeros first: for floats, which take four times the room of bytes, in as long as half of
the decoding takes. To scale bytes takes a tenth of that. So where nobody can look at a batch on its
way, it is sent as bytes. It becomes floats as it is received, the same as without a worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

import numpy as np

from cxr_datasets.images.together import worker_of_loader
from cxr_datasets.training.scales import SCALES


class Unscaled(list[dict[str, Any]]):
    """Rows whose `pixel_values` are uint8 still. Only our own collation gets such.

    Attributes:
        scale: Name of what they become.
        channels: How many channels they become.
    """

    def __init__(self, rows: Iterable[dict[str, Any]], scale: str, channels: int):
        super().__init__(rows)
        self.scale = scale
        self.channels = channels

    def later(self, pixels: Any) -> Any:
        """Give what becomes floats where it is received, of a tensor of all their pixels."""
        return _Later(pixels, self.scale, self.channels)


class _Later:
    """A tensor of bytes that is unpickled as one of floats."""

    def __init__(self, *parts: Any):
        self._parts = parts

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return scaled, self._parts


def scaled(pixels: Any, scale: str, channels: int) -> Any:
    """Scale a tensor of pixels.

    Args:
        pixels: uint8, of shape (n, 1 or channels, height, width).
        scale: One of `SCALES`.
        channels: How many there become.

    Returns:
        A tensor of float32.
    """
    import torch

    given = pixels.numpy()
    floats = np.empty((len(given), channels, *given.shape[2:]), np.float32)
    for image, out in zip(given, floats, strict=True):
        SCALES[scale].put(image, out)
    return torch.from_numpy(floats)


def sent_unseen(rows: Any, collation: type, caller: FrameType | None) -> bool:
    """Say whether rows go straight to a collation, and from there to another process.

    torch tells a dataset nothing of what becomes of its rows, so it is read from the frame that
    asks for them.

    Args:
        rows: The dataset that is asked for rows.
        collation: A class; exactly of it the collation must be.
        caller: The frame that asks.
    """
    if worker_of_loader() is None or caller is None:
        return False
    from torch.utils.data._utils import fetch

    known = getattr(fetch, "_MapDatasetFetcher", None)
    if known is None or caller.f_code is not known.fetch.__code__:
        return False
    fetcher: Any = caller.f_locals["self"]
    return (
        type(fetcher) is known and fetcher.dataset is rows and type(fetcher.collate_fn) is collation
    )
