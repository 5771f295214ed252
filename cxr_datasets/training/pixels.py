"""Images of a batch as one array that a model takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import pyarrow as pa

from cxr_datasets.columns import PRIOR_IMAGES
from cxr_datasets.errors import OptionError
from cxr_datasets.images.decoding import check_size, check_undecoded, images_of
from cxr_datasets.images.square import SQUARES, Place, open_square
from cxr_datasets.images.together import use_files
from cxr_datasets.training.arguments import one_of
from cxr_datasets.training.augments import Augment, augmented
from cxr_datasets.training.layer_boxes import boxes_in_squares
from cxr_datasets.training.rows import columns_of, with_pixels
from cxr_datasets.training.scales import SCALES
from cxr_datasets.training.shared import empty

CHANNELS = (1, 3)
OF_PRIORS = "prior_"
"""What the names of arrays of earlier studies begin with."""


class _Squares(NamedTuple):
    """What became of some images, each array n long."""

    pixel_values: np.ndarray
    image_mask: np.ndarray
    valid_box: np.ndarray
    seen_box: np.ndarray
    original_size: np.ndarray


class _Form(NamedTuple):
    """In which range pixels are, and how many channels they have."""

    scale: str
    channels: int

    def empty(self, count: int, shape: tuple[int, ...]) -> np.ndarray:
        """Room for some images."""
        kind = np.uint8 if self.scale == "uint8" else np.float32
        return empty((count, self.channels, *shape), kind)


@dataclass(frozen=True)
class ImageTransform:
    """Makes `pixel_values` of one shape of the images of a batch, so that they stack.

    `transform.on(split)` gives rows that a `DataLoader` takes: the shortest way, and the fastest,
    for nothing is decoded twice. As a function of a batch it fits `set_transform`,
    `with_transform` and `map(..., batched=True)` too; cast the column to `Image(decode=False)`
    first, or `datasets` decodes each image at full size before this sees it.

    The images of a batch are read together: in a thread for each core, in a worker of a
    `DataLoader` in its share of them, and remote ones side by side.

    Rows get, in place of `image`:

    - `pixel_values`: (channels, size, size).
    - `image_mask`: whether there is an image. A null image (`missing="null"`, `damaged="null"`)
      is all black and false here: so the row stays in its place, as the order of a sampler says,
      and a loss can leave it out.
    - `valid_box`, `seen_box`: float32, (4,), left, top, right, bottom: the part of the square that
      is image, in its pixels; the part of the upright image that is in the square, in pixels of
      the image. `boxes_to_square` brings annotations from one to the other. Zeros without image.
    - `original_size`: int64, (2,), height and width of the upright image.

    Boxes of layers (`box` beside `box_state`) come in pixels of the square, cut at its edges; one
    that is not in the square is null, and its state `outside`. `boxes_to_original` brings them
    back.

    Rows of `studies` get the same in place of `images`, each with a first axis as long as the
    study has images.

    Rows with `prior_images` get the same of these, each with a first axis as long as the row has
    earlier studies: `prior_pixel_values`, `prior_image_mask` and so on.

    Attributes:
        size: Side of the square in pixels. Nothing else here enlarges an image; a square does, if
            the image is smaller, because a batch must be of one shape.
        square: "crop": the short side is made as long as the square, and the middle is kept.
            "pad": the long side is, and black is put around. "stretch": both are, and the aspect
            is lost.
        channels: 1, or 3 that are the same grey.
        scale: Values: "0-1"; "imagenet" (mean and standard deviation of three channels, as
            `IMAGENET_MEAN` and `IMAGENET_STD` say); "xrv", from -1024 to 1024, as models of
            TorchXRayVision take them; all float32. Or "uint8", from 0 to 255.
        augment: A callable that gets each image, uint8 of shape (1, size, size), and gives it
            changed, perhaps of another size, but the same size for all. It comes before `scale`,
            so it stays in the range 0 to 255. Transforms of torchvision and other modules of torch
            get a tensor, those of albumentations (size, size, 1), all others an array. It is called
            for one image after another, so that random numbers come in the order of the rows.

    Raises:
        OptionError: An option has a value that does not exist.
    """

    size: int
    square: str = "crop"
    channels: int = 1
    scale: str = "0-1"
    augment: Augment | None = None

    def __post_init__(self) -> None:
        check_size(self.size)
        for option, allowed in (
            ("square", SQUARES), ("channels", CHANNELS), ("scale", tuple(SCALES)),
        ):  # fmt: skip
            one_of(option, getattr(self, option), allowed)
        if self.scale == "imagenet" and self.channels != 3:
            raise OptionError("scale='imagenet' is of three channels. Give channels=3.")
        if self.augment is not None and not callable(self.augment):
            raise OptionError(f"augment={self.augment!r} cannot be called. Give a function.")

    def on(self, dataset: Any) -> Any:
        """Give rows of a dataset with their pixels, for a `DataLoader` or a `Trainer`.

        Of a built split these are rows that are read from Arrow when they are asked for, and that
        workers of a `DataLoader` share: `rows[3]` is a row, `rows[[3, 5]]` a batch. Choose rows
        and columns before (`select_columns(["image", "labels"])`): what is not read costs nothing.
        Columns of the 14 labels become float32 arrays of shape (14,), in the order of `LABELS`,
        NaN for what is not mentioned: so they stack, and `to_targets` takes them.

        Args:
            dataset: A split, built or streamed, of config `images` or `studies`; or a dictionary
                of such splits.

        Returns:
            `PixelRows` of a built split; a stream of a stream; a dictionary of a dictionary.

        Raises:
            ImageError: It has no column of images.
        """
        if isinstance(dataset, Mapping):
            return {name: self.on(split) for name, split in dataset.items()}
        return with_pixels(dataset, self)

    def __call__(self, batch: Mapping[str, Any] | pa.Table) -> dict[str, Any]:
        """Make pixels of the images of a batch.

        Args:
            batch: Column -> values, as `with_transform` and `map(..., batched=True)` give them; or
                a table of Arrow. Images are undecoded, or decoded by Pillow.

        Returns:
            The other columns as they are, and the new ones, in place of the images.

        Raises:
            ImageError: An image is absent or damaged; or there is none, or only one row.
            StoreError: An image is remote, and its store refuses it or failed again and again.
        """
        return self._made(batch, _Form(self.scale, self.channels))

    def unscaled(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Make pixels as a call does, but leave those of `images` to be scaled by who gets them.

        Args:
            batch: As for a call.

        Returns:
            As of a call, but `pixel_values` of config `images` are uint8, from 0 to 255, of shape
            (n, 1, size, size); with `augment` of `channels`, and of the size that it gave. If it
            gave other values than uint8, which this would round, they are those of a call.

        Raises:
            CxrError: As a call.
        """
        return self._made(batch, _Form("uint8", self.channels if self.augment else 1))

    def _made(self, batch: Mapping[str, Any] | pa.Table, form: _Form) -> dict[str, Any]:
        if isinstance(batch, pa.Table):
            batch = columns_of(batch)
        name, cells = images_of(batch)
        others = {other: batch[other] for other in batch if other not in (name, PRIOR_IMAGES)}
        made = self._squares(cells, form)._asdict() if name == "image" else self._lists(cells)
        others = boxes_in_squares(others, made["seen_box"], made["valid_box"], name != "image")
        if PRIOR_IMAGES in batch:
            earlier = self._lists([list(images or ()) for images in batch[PRIOR_IMAGES]])
            others |= {f"{OF_PRIORS}{key}": arrays for key, arrays in earlier.items()}
        return {**others, **made}

    def _lists(self, rows: list[list[Any]]) -> dict[str, list[np.ndarray]]:
        """Make squares of lists of images; of each list arrays as long as it is."""
        form = _Form(self.scale, self.channels)
        flat = self._squares([image for images in rows for image in images], form)
        ends = np.cumsum(list(map(len, rows)))[:-1]
        return {key: np.split(array, ends) for key, array in flat._asdict().items()}

    def _squares(self, images: list[Any], form: _Form) -> _Squares:
        """Make a square of each image; black where it is null."""
        mask = np.array([image is not None for image in images], bool)
        there = [image for image in images if image is not None]
        pixels, places = self._filled(there, form)
        boxes = np.zeros((2, len(images), 4), np.float32)
        sizes = np.zeros((len(images), 2), np.int64)
        if there:
            boxes[0, mask], boxes[1, mask], sizes[mask] = map(list, zip(*places, strict=True))
        pixels = pixels if mask.all() else _spread(pixels, mask, self.scale)
        return _Squares(pixels, mask, boxes[0], boxes[1], sizes)

    def _filled(self, images: list[Any], form: _Form) -> tuple[np.ndarray, list[Place]]:
        """Scaled pixels of images that are there, and where each lies in its square."""
        squares = np.zeros((len(images), self.size, self.size), np.uint8)
        if self.augment is None:
            pixels = form.empty(len(images), squares.shape[1:])
            return pixels, self._opened(images, squares, pixels, form)
        places = self._opened(images, squares, None, form)
        changed = [augmented(self.augment, square, self.channels) for square in squares]
        shapes = {array.shape[1:] for array in changed} or {squares.shape[1:]}
        if len(shapes) > 1:
            raise OptionError(f"augment gave images of several sizes: {sorted(shapes)}.")
        if any(array.dtype != np.uint8 for array in changed):
            form = _Form(self.scale, self.channels)
        pixels = form.empty(len(images), shapes.pop())
        for array, out in zip(changed, pixels, strict=True):
            SCALES[form.scale].put(array, out)
        return pixels, places

    def _opened(
        self, images: list[Any], squares: np.ndarray, pixels: np.ndarray | None, form: _Form
    ) -> list[Place]:
        """Open images into squares, several at once; scale them there if `pixels` is given."""

        def use(number: int, file: Any) -> Place:
            place = open_square(file, self.size, self.square, squares[number])
            if pixels is not None:
                SCALES[form.scale].put(squares[number][None], pixels[number])
            return place

        places: list[Any] = [None] * len(images)
        stored = []
        for number, image in enumerate(images):
            if isinstance(image, PIL.Image.Image):
                places[number] = use(number, image)
            else:
                check_undecoded(image)
                stored.append(number)
        uses = [partial(use, number) for number in stored]
        opened = use_files([images[number] for number in stored], uses)
        for number, place in zip(stored, opened, strict=True):
            places[number] = place
        return places


def _spread(pixels: np.ndarray, mask: np.ndarray, scale: str) -> np.ndarray:
    """Put black between the images where one is null."""
    form = _Form("uint8" if pixels.dtype == np.uint8 else scale, pixels.shape[1])
    black = form.empty(1, pixels.shape[2:])[0]
    SCALES[form.scale].put(np.zeros((1, *black.shape[1:]), np.uint8), black)
    spread = form.empty(len(mask), pixels.shape[2:])
    spread[mask], spread[~mask] = pixels, black
    return spread
