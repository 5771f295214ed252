"""Ranges of values in which models take pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Mean and standard deviation of red, green and blue over ImageNet, from 0 to 1, as the models of
torchvision, timm and transformers were trained with (torchvision's documentation, "Models and
pre-trained weights"; PyTorch's examples/imagenet/main.py)."""

XRV_RANGE = 1024
"""TorchXRayVision's models take grey from -1024 to 1024: `(2 * (img / maxval) - 1) * 1024`, in its
`torchxrayvision/utils.py`, function `normalize` (version 1.5)."""


@dataclass(frozen=True)
class Scale:
    """What becomes of a value from 0 to 255: `value * factor + offset`, a pair for each channel.

    Attributes:
        factors: One for all channels, or one for each.
        offsets: As many.
    """

    factors: tuple[float, ...]
    offsets: tuple[float, ...]

    def put(self, pixels: np.ndarray[Any, Any], out: np.ndarray[Any, Any]) -> None:
        """Scale an image.

        Args:
            pixels: Of shape (1 or c, height, width), from 0 to 255.
            out: float32 of shape (c, height, width).
        """
        for channel, plane in enumerate(out):
            at = channel % len(self.factors)
            plane[:] = pixels[channel % len(pixels)]
            plane *= np.float32(self.factors[at])
            if self.offsets[at]:
                plane += np.float32(self.offsets[at])


@dataclass(frozen=True)
class Bytes:
    """Values as they are, in uint8."""

    def put(self, pixels: np.ndarray[Any, Any], out: np.ndarray[Any, Any]) -> None:
        """Write an image: see `Scale.put`; `out` is uint8. Values between are rounded."""
        if pixels.dtype != np.uint8:
            pixels = np.clip(np.rint(pixels), 0, 255)
        out[:] = pixels


SCALES: dict[str, Scale | Bytes] = {
    "0-1": Scale((1 / 255,), (0.0,)),
    "imagenet": Scale(
        tuple(1 / (255 * std) for std in IMAGENET_STD),
        tuple(-mean / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)),
    ),
    "xrv": Scale((2 * XRV_RANGE / 255,), (-float(XRV_RANGE),)),
    "uint8": Bytes(),
}
