"""What the examples share: their options, square images, and how they draw."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt

plt.style.use("dark_background")

COLOURS = {1: "#e4572e", -1: "#f3a712", 0: "#4f9dde", None: "#6b6b6b"}
"""Positive, uncertain, negative and not mentioned."""


def arguments(doc: str, **defaults: Any) -> argparse.Namespace:
    """Read the command line.

    Args:
        doc: The script's docstring; its first line is the help's.
        **defaults: Options beside `--out`, the folder of the pictures: `data_dir="..."` is the
            option `--data-dir`, and what is given must be of the default's type.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("pictures"), help="default: pictures")
    for name, value in defaults.items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=type(value), default=value, help=f"default: {value}")
    return parser.parse_args()


def square(image: Any, side: int = 64) -> Any:
    """Cut the middle out of an array (height, width) whose short side is `side`."""
    top, left = ((size - side) // 2 for size in image.shape)
    return image[top : top + side, left : left + side]


def sheet(images: Sequence[Any], captions: Sequence[str], file: Path, columns: int = 4) -> None:
    """Save images side by side, each above its caption.

    Args:
        images: Greyscale, each a PIL image or an array of 0 to 255.
        captions: What stands beneath each.
        file: The PNG to write.
        columns: Images in a row.
    """
    texts = ["\n".join(fill(line, 34) for line in caption.splitlines()) for caption in captions]
    rows = -(-len(images) // columns)
    height = 2.4 + 0.15 * max(text.count("\n") for text in texts)
    size = (2.4 * columns, height * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat[len(images) :]:
        axis.set_axis_off()
    for axis, image, text in zip(axes.flat, images, texts, strict=False):
        axis.imshow(image, cmap="gray", vmin=0, vmax=255)
        axis.set_xlabel(text, fontsize=8)
        axis.set(xticks=[], yticks=[], anchor="S")
    save(figure, file)


def save(figure: Any, file: Path) -> None:
    """Save a figure as PNG, make the folder if need be, and say where it is."""
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=90)
    plt.close(figure)
    print("picture:", file)
