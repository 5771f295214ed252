"""Load a release and look at it: a printed row, and twelve images on a contact sheet.

    cxr synthesize mimic-cxr-jpg practice/mimic --patients 400 --scale 0.125
    python examples/look.py --data-dir practice/mimic --out pictures

You learn: the one import that lets `datasets` load a dataset of this project; what a row holds;
that an image is opened only when its row is asked for. `select_columns` and `input_columns` keep
images closed while rows are counted or chosen.
"""

from datasets import load_dataset

import mimic_cxr_jpg  # noqa: F401  teaches `datasets` to load "mimic_cxr_jpg"
from shared import arguments, sheet


def positive(labels: dict[str, int | None] | None) -> list[str]:
    """Names of the labels that are 1; a study without a row of labels has None for all."""
    return [name for name, value in (labels or {}).items() if value == 1]


args = arguments(__doc__, data_dir="practice/mimic")

# A row per image, in the splits of the release. `views` leaves out all others.
images = load_dataset("mimic_cxr_jpg", data_dir=args.data_dir, views=["frontal"])
for split, rows in images.items():
    print(f"{split}: {rows.num_rows} frontal images")

row = images["train"][0]  # this opens one JPEG
print("\nThe first row:")
for column in ("image", "image_id", "study_id", "subject_id", "view_position", "impression"):
    print(f"  {column}: {row[column]!r}")
print(f"  labels: {row['labels']}")

# No image is opened here, for the function is given the labels alone.
findings = images["train"].filter(lambda labels: bool(positive(labels)), input_columns="labels")
shown = findings.shuffle(seed=1).select(range(min(12, findings.num_rows)))
sheet(shown["image"], [", ".join(positive(labels)) for labels in shown["labels"]],
      args.out / "look.png")  # fmt: skip
