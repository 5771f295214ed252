"""Transforms of other libraries fit in as `augment`, each called as it wants to be."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import PIL.Image
import pytest

from cxr_datasets.errors import OptionError
from cxr_datasets.training import ImageTransform

SIZE = 32
SQUARES = np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE), np.uint8)
BATCH = {"image": [PIL.Image.fromarray(square) for square in SQUARES]}
FLIPPED = SQUARES[:, None, :, ::-1]


def pixels(augment: Any, **options: Any) -> np.ndarray[Any, Any]:
    return ImageTransform(SIZE, augment=augment, **{"scale": "uint8", **options})(BATCH)[
        "pixel_values"
    ]


def flipped(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return image[..., ::-1]


def test_a_function_gets_each_image_as_an_array_before_the_scale() -> None:
    given = []

    def kept(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        given.append(image.copy())
        return flipped(image)

    assert np.array_equal(pixels(kept), FLIPPED)
    assert np.array_equal(given, SQUARES[:, None])
    assert given[0].dtype == np.uint8
    xrv = pixels(flipped, scale="xrv")
    assert xrv == pytest.approx((2 * (FLIPPED / 255.0) - 1) * 1024, abs=1e-3)


def test_three_channels_are_made_after_it() -> None:
    found = pixels(flipped, channels=3)
    assert found.shape == (4, 3, SIZE, SIZE)
    assert np.array_equal(found, np.repeat(FLIPPED, 3, axis=1))
    assert np.array_equal(
        pixels(lambda image: np.repeat(image, 3, 0), channels=3)[:, 2:], SQUARES[:, None]
    )


def test_it_may_give_floats_of_the_same_range_and_another_size() -> None:
    cut = pixels(lambda image: image[:, 4:-4, 4:-4] / 2.0, scale="0-1")
    assert cut.shape == (4, 1, SIZE - 8, SIZE - 8)
    assert cut == pytest.approx(SQUARES[:, None, 4:-4, 4:-4] / 510, abs=1e-6)
    brighter = pixels(lambda image: image[0] * 1.5 - 20.0)
    assert np.array_equal(brighter[:, 0], np.clip(np.rint(SQUARES * 1.5 - 20.0), 0, 255))


def test_random_numbers_come_in_the_order_of_the_rows() -> None:
    drawn = np.random.default_rng(7)
    found = pixels(lambda image: np.roll(image, drawn.integers(SIZE)))
    again = np.random.default_rng(7)
    expected = [np.roll(square[None], again.integers(SIZE)) for square in SQUARES]
    assert np.array_equal(found, expected)


def test_null_images_are_not_given_to_it() -> None:
    transform = ImageTransform(SIZE, augment=lambda image: image[:, :8, :8])
    found = transform({"image": [None, BATCH["image"][0]]})
    assert found["pixel_values"].shape == (2, 1, 8, 8)
    assert not found["pixel_values"][0].any()


@pytest.mark.parametrize("wrong", [
    lambda image: None, lambda image: image[0, 0], lambda image: np.repeat(image, 2, axis=0),
    lambda image: "image",
])  # fmt: skip
def test_what_is_no_image_is_named(wrong: Any) -> None:
    with pytest.raises(OptionError, match=r"augment gave a .* \(1, size, size\)"):
        pixels(wrong)


def test_images_of_several_sizes_are_named() -> None:
    drawn = iter(range(8, 20))
    with pytest.raises(OptionError, match="several sizes"):
        pixels(lambda image: image[:, : next(drawn)])


def test_a_module_of_torch_gets_a_tensor() -> None:
    torch = pytest.importorskip("torch")

    class Flip(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, image: Any) -> Any:
            assert isinstance(image, torch.Tensor)
            return image.flip(-1)

    assert np.array_equal(pixels(Flip()), FLIPPED)


def test_transforms_of_torchvision_fit() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        v2 = pytest.importorskip("torchvision.transforms.v2")
    compose = v2.Compose([v2.RandomHorizontalFlip(1), v2.RandomRotation(0), v2.CenterCrop(24)])
    assert np.array_equal(pixels(compose), FLIPPED[..., 4:-4, 4:-4])
    bright = pixels(v2.ColorJitter(brightness=(0.5, 0.5)), channels=3)
    assert bright == pytest.approx(SQUARES[:, None].repeat(3, 1) * 0.5, abs=1)
    from torchvision import transforms

    first = transforms.Compose([transforms.RandomHorizontalFlip(1), transforms.CenterCrop(24)])
    assert np.array_equal(pixels(first), FLIPPED[..., 4:-4, 4:-4])


def test_transforms_of_torchxrayvision_fit() -> None:
    xrv = pytest.importorskip("torchxrayvision")
    from torchvision import transforms

    compose = transforms.Compose([xrv.datasets.XRayCenterCrop(), flipped])
    assert np.array_equal(pixels(compose), FLIPPED)
    resized = pixels(transforms.Compose([xrv.datasets.XRayResizer(16)]), scale="xrv")
    assert resized.shape == (4, 1, 16, 16)
    assert -1024 <= resized.min() < -200
    normal = np.stack([xrv.utils.normalize(square, 255)[None] for square in SQUARES])
    assert pixels(None, scale="xrv") == pytest.approx(normal, abs=1e-3)


def test_transforms_of_albumentations_fit() -> None:
    albumentations = pytest.importorskip("albumentations")
    compose = albumentations.Compose(
        [albumentations.HorizontalFlip(p=1), albumentations.CenterCrop(24, 24)]
    )
    assert np.array_equal(pixels(compose), FLIPPED[..., 4:-4, 4:-4])
    assert np.array_equal(pixels(albumentations.HorizontalFlip(p=1)), FLIPPED)
    rotated = pixels(albumentations.Rotate(p=1), scale="0-1")
    assert rotated.shape == (4, 1, SIZE, SIZE)


def test_transforms_of_monai_fit() -> None:
    transforms = pytest.importorskip("monai.transforms")
    compose = transforms.Compose(
        [transforms.RandFlip(prob=1, spatial_axis=1), transforms.CenterSpatialCrop(24)]
    )
    assert np.array_equal(pixels(compose), FLIPPED[..., 4:-4, 4:-4])
    turned = pixels(transforms.RandRotate(range_x=0.1, prob=1), scale="0-1")
    assert turned.shape == (4, 1, SIZE, SIZE)
    assert 0.2 < turned.mean() < 0.8


def test_a_transform_with_an_augment_can_be_pickled() -> None:
    transform = pickle.loads(pickle.dumps(ImageTransform(SIZE, scale="uint8", augment=flipped)))
    assert np.array_equal(transform(BATCH)["pixel_values"], FLIPPED)
