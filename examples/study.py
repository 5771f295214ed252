"""One study: its images, its report cut into sections, and its labels, on one page.

    cxr synthesize mimic-cxr-jpg practice/mimic --patients 400 --scale 0.125
    python examples/study.py --data-dir practice/mimic --out pictures

You learn: config `studies`, where a row is a study and what belongs to an image is a list, best
view first; that a section the report lacks is None; the four values of a label.
"""

import re
from textwrap import fill

import matplotlib.pyplot as plt
from datasets import load_dataset

import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.columns import SECTIONS, VIEWS
from shared import COLOURS, arguments, save

MEANINGS = {1: "positive", -1: "uncertain", 0: "negative", None: "not mentioned"}

args = arguments(__doc__, data_dir="practice/mimic")

studies = load_dataset("mimic_cxr_jpg", "studies", data_dir=args.data_dir, split="train")

# The study that shows most, found without opening an image.
facts = studies.select_columns(["views", "findings", "impression", "labels"])
interest = [
    (bool(row["findings"]) and bool(row["impression"]), len(set(row["views"])) > 1,
     len(set((row["labels"] or {}).values())))
    for row in facts
]  # fmt: skip
study = studies[interest.index(max(interest))]
views = [VIEWS[view] for view in study["views"]]
print(f"study {study['study_id']}: {', '.join(views)}")

figure = plt.figure(figsize=(12, 5.4))
for number, (image, view) in enumerate(zip(study["images"][:2], views, strict=False)):
    axis = figure.add_axes((0.02 + 0.26 * number, 0.37, 0.25, 0.57))
    axis.imshow(image, cmap="gray", vmin=0, vmax=255)
    axis.set_title(view)
    axis.set_axis_off()

height = 0.95
for section in SECTIONS:
    text = fill(re.sub(r"\s+", " ", study[section] or "None"), 72)
    figure.text(0.56, height, section, weight="bold", color=COLOURS[0], va="top")
    figure.text(0.56, height - 0.05, text, va="top")
    height -= 0.12 + 0.04 * text.count("\n")

for number, (name, value) in enumerate((study["labels"] or {}).items()):
    x, y = 0.03 + 0.32 * (number // 5), 0.29 - 0.06 * (number % 5)
    figure.text(x, y, f"{name}: {MEANINGS[value]}", color=COLOURS[value], size=11)
save(figure, args.out / "study.png")
