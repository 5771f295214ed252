"""Transforms of other libraries, each called as it wants to be called."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from cxr_datasets.errors import OptionError

Augment: TypeAlias = Callable[..., Any]

_KNOWN = (
    "an augment gets an image of shape (1, size, size), uint8 from 0 to 255, and gives one of "
    "shape (1 or channels, height, width), the same for each image, in the same range"
)


def augmented(augment: Augment, square: np.ndarray[Any, Any], channels: int) -> np.ndarray:
    """Let a transform change an image.

    Args:
        augment: A callable on an array of shape (1, size, size); or a transform of torchvision,
            or another `torch.nn.Module`, which gets a tensor of this shape; or one of
            albumentations, which gets (size, size, 1) under the name `image`.
        square: uint8 of shape (size, size).
        channels: How many channels it may have afterwards, if not one.

    Returns:
        Array of shape (1 or channels, height, width).

    Raises:
        OptionError: The transform gave something else.
    """
    given = _called(augment, square)
    array = np.asarray(given)
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.shape[0] not in (1, channels) or array.dtype.kind not in "uif":
        kind = f"{type(given).__module__}.{type(given).__qualname__}".removeprefix("builtins.")
        raise OptionError(
            f"augment gave a {kind} of shape {array.shape} and type {array.dtype}; {_KNOWN}."
        )
    return array


def _called(augment: Augment, square: np.ndarray[Any, Any]) -> Any:
    if _library(augment) == "albumentations":
        result = np.asarray(augment(image=square[..., None])["image"])
        return result.transpose(2, 0, 1) if result.ndim == 3 else result
    return augment(_as_tensor(square) if _takes_tensors(augment) else square[None])


def _as_tensor(square: np.ndarray[Any, Any]) -> Any:
    import torch

    return torch.from_numpy(square[None])


def _takes_tensors(augment: Augment) -> bool:
    """Whether a transform takes tensors, as torchvision's and other modules of torch do.

    Those of TorchXRayVision take arrays, and are put into the `Compose` of torchvision.
    """
    torch = sys.modules.get("torch")  # what is not imported made no transform
    if torch is None:
        return False
    if _library(augment) == "torchvision":
        steps = getattr(augment, "transforms", ())
        return not any(_library(step) == "torchxrayvision" for step in steps)
    return isinstance(augment, torch.nn.Module)


def _library(augment: Augment) -> str:
    return type(augment).__module__.partition(".")[0]
