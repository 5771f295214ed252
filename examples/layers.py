"""Boxes and masks of other people on their images, in whatever size these are handed out.

    cxr synthesize mimic-cxr-jpg practice/layered --patients 100 --scale 0.125 --layers all
    python examples/layers.py --data-dir practice/layered --out pictures

You learn: `layers=`, which joins tables by the ids in them; that boxes come in the pixels of the
image you get, so that they can be drawn as they are; `decode_rle`, for a mask.
"""

from collections import defaultdict
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from datasets import load_dataset
from matplotlib.patches import Rectangle

import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.layers import decode_rle
from shared import COLOURS, arguments, save

SHOWN = 3

args = arguments(__doc__, data_dir="practice/layered")
folder = Path(args.data_dir, "layers")

images = load_dataset(
    "mimic_cxr_jpg",
    data_dir=args.data_dir,
    split="train",
    image_size=192,
    layers={
        "ms_cxr": str(folder / "MS_CXR_Local_Alignment_v1.1.0.csv"),
        "chexmask": str(folder / "OriginalResolution" / "MIMIC-CXR-JPG.csv"),
    },
)

# Which images have both, found without opening one.
facts = images.select_columns(["ms_cxr", "chexmask_Heart"])
both = [n for n, row in enumerate(facts) if row["ms_cxr"] and row["chexmask_Heart"]]
print(f"{len(images)} images, {len(both)} with boxes and masks")

figure, axes = plt.subplots(1, SHOWN, figsize=(4 * SHOWN, 4.6), layout="constrained")
for axis, number in zip(axes, both, strict=False):
    row = images[number]
    axis.imshow(row["image"], cmap="gray", vmin=0, vmax=255)
    width, height = row["image"].size  # the mask is in pixels of the release's own file
    heart = decode_rle(row["chexmask_Heart"], row["chexmask_Height"], row["chexmask_Width"])
    axis.contour(heart, [0.5], colors=[COLOURS[1]], extent=(-0.5, width - 0.5, -0.5, height - 0.5))
    names = defaultdict(list)  # two phrases may have one box
    for box in row["ms_cxr"]:
        if box["box"]:  # null where nothing of it is in the image
            names[tuple(box["box"])].append(box["category_name"])
    for box, findings in names.items():
        left, top, right, bottom = np.array(box) - 0.5  # pixels are centred on integers
        sides = right - left, bottom - top
        axis.add_patch(Rectangle((left, top), *sides, fill=False, color=COLOURS[0]))
        axis.text(left, top, "\n".join(findings), color=COLOURS[0], va="bottom")
    axis.set(xticks=[], yticks=[])
save(figure, args.out / "layers.png")
