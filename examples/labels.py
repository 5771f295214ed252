"""Labels to targets: what a null and an uncertain label become is your choice, and it matters.

    cxr synthesize mimic-cxr-jpg practice/mimic --patients 400 --scale 0.125
    python examples/labels.py --data-dir practice/mimic --out pictures

You learn: labels as a matrix with NaN for null; four ways to make targets of them (the names in U
are those of the CheXpert paper, arXiv:1901.07031), and how much the share of positives depends on
the way. A target that is not in the mask counts for nothing in the loss: see classifier.py.
"""

import matplotlib.pyplot as plt
import numpy as np
from datasets import load_dataset

import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.columns import LABELS
from cxr_datasets.labels import U_IGNORE, U_ONES, U_ZEROS, label_matrix, to_targets
from shared import COLOURS, arguments, save


def bars(axis, y):
    """Draw the share of each value of each label, from such a matrix."""
    begin = np.zeros(len(LABELS))
    for value, meaning in ((1, "positive"), (-1, "uncertain"), (0, "negative"), (None, "null")):
        width = (np.isnan(y) if value is None else y == value).mean(axis=0)
        axis.barh(LABELS, width, left=begin, color=COLOURS[value], label=meaning)
        begin += width


WAYS = {
    "stated only: null and -1 are left out": {},
    "U-Ignore: null is 0, -1 is left out": U_IGNORE,
    "U-Zeros: null and -1 are 0": U_ZEROS,
    "U-Ones: null is 0, -1 is 1": U_ONES,
}

if __name__ == "__main__":
    args = arguments(__doc__, data_dir="practice/mimic")

    # By study: a study of four images would count four times among the images.
    studies = load_dataset("mimic_cxr_jpg", "reports", data_dir=args.data_dir, split="train")
    y = label_matrix(studies)
    print(f"{len(y)} studies; {np.isnan(y).mean():.0%} of the cells are null")

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), sharey=True, layout="constrained")
    bars(left, y)
    for (way, policies), marker in zip(WAYS.items(), "oDvs", strict=True):
        values, mask = to_targets(studies, **policies)
        right.plot(values.mean(axis=0, where=mask), LABELS, marker, label=way)
    right.grid(alpha=0.2)
    left.set_xlabel("share of studies, as the table has it")
    right.set_xlabel("share of positive targets")
    for axis in (left, right):
        axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False, ncols=2)
    left.invert_yaxis()
    save(figure, args.out / "labels.png")
