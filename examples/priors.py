"""Each study beside the patient's one before: both images, both conclusions, the days between.

    cxr synthesize mimic-cxr-jpg practice/mimic --patients 400 --scale 0.125
    python examples/priors.py --data-dir practice/mimic --out pictures

You learn: `priors=1`, which gives each row the patient's study before its own; that rows can be
chosen by it before an image is opened; what to do with a study that has none, or whose order is
not known.
"""

from textwrap import fill, shorten

import matplotlib.pyplot as plt
from datasets import load_dataset

import mimic_cxr_jpg  # noqa: F401
from shared import COLOURS, arguments, save

SHOWN = 3

args = arguments(__doc__, data_dir="practice/mimic")

images = load_dataset(
    "mimic_cxr_jpg", data_dir=args.data_dir, split="train", views="frontal", priors=1
)

# Which rows have one, found without opening an image.
facts = images.select_columns(["prior_views", "prior_tied", "prior_impressions", "impression"])
first = [not row["prior_tied"] for row in facts]
tied = [row["prior_tied"] == [True] for row in facts]
pairs = [
    number
    for number, row in enumerate(facts)
    if row["prior_views"] not in ([], [None]) and row["prior_tied"] == [False]
]
print(f"{len(images)} frontal images: {sum(first)} of a first study, {sum(tied)} of unknown order")
print(f"{len(pairs)} with a frontal image of the study before")

told = [n for n in pairs if facts[n]["impression"] and facts[n]["prior_impressions"][0]]
figure, axes = plt.subplots(SHOWN, 2, figsize=(7, 3.7 * SHOWN), layout="constrained")
for (before, now), number in zip(axes, (told or pairs)[:SHOWN], strict=False):
    row = images[number]
    (days,), (earlier,) = row["prior_days"], row["prior_impressions"]
    for axis, image, when, words in (
        (before, row["prior_images"][0], f"{days:.1f} days before", earlier),
        (now, row["image"], f"study {row['study_number']}", row["impression"]),
    ):
        axis.imshow(image, cmap="gray", vmin=0, vmax=255)
        axis.set_title(when, color=COLOURS[0])
        text = shorten(words or "no impression", 180, placeholder=" ...")
        axis.set_xlabel(fill(text, 44), fontsize=8)
        axis.set(xticks=[], yticks=[])
save(figure, args.out / "priors.png")
