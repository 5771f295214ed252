"""What the examples share: the options that all of them take, and how they draw."""

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


def sheet(
    images: Sequence[Any],
    captions: Sequence[str],
    file: Path,
    columns: int = 4,
    frames: Sequence[str] = (),
) -> None:
    """Save images side by side, each under its caption.

    Args:
        images: Greyscale, each a PIL image or an array of 0 to 255.
        captions: What stands above each.
        file: The PNG to write.
        columns: Images in a row.
        frames: A colour for each image's frame; none: no frames.
    """
    rows = -(-len(images) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(2.3 * columns, 2.7 * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(images) :]:
        axis.set_axis_off()
    for number, (axis, image, caption) in enumerate(zip(axes.flat, images, captions, strict=False)):
        axis.imshow(image, cmap="gray", vmin=0, vmax=255)
        axis.set_title("\n".join(fill(line, 32) for line in caption.splitlines()), fontsize=8)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set(color=frames[number] if frames else "none", linewidth=3)
    save(figure, file)


def save(figure: Any, file: Path) -> None:
    """Save a figure as PNG, make the folder if need be, and say where it is."""
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=90)
    plt.close(figure)
    print("picture:", file)
