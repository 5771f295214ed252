"""Both datasets as one: the columns that they share come first and are of the same types.

    cxr synthesize mimic-cxr-jpg practice/mimic --patients 400 --scale 0.125
    cxr synthesize indiana-cxr practice/indiana --studies 150 --scale 0.125
    python examples/both.py --data-dir practice/mimic --indiana practice/indiana --out pictures

You learn: `concatenate_datasets` on the columns CORE, and that one column may mean more in one
dataset than in another. What a report of MIMIC-CXR-JPG does not mention is null; what was not coded
of a study of Indiana is 0. Compare positives with positives: the zeros are of different kinds.
"""

import matplotlib.pyplot as plt
from datasets import concatenate_datasets, load_dataset

import indiana_cxr  # noqa: F401
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.columns import CORE
from cxr_datasets.labels import label_matrix
from labels import bars
from shared import arguments, save

args = arguments(__doc__, data_dir="practice/mimic", indiana="practice/indiana")
parts = {
    "MIMIC-CXR-JPG": load_dataset("mimic_cxr_jpg", data_dir=args.data_dir, split="train"),
    "Indiana": load_dataset("indiana_cxr", data_dir=args.indiana, split="train"),
}
parts = {name: part.select_columns(list(CORE)) for name, part in parts.items()}
both = concatenate_datasets(list(parts.values()))
print(f"{len(both)} images; columns: {', '.join(both.column_names)}")

figure, axes = plt.subplots(1, 2, figsize=(12, 5), sharey=True, layout="constrained")
for axis, (name, part) in zip(axes, parts.items(), strict=True):
    bars(axis, label_matrix(part))
    axis.set(title=f"{name}: {len(part)} images", xlabel="share of images")
axes[0].invert_yaxis()
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
save(figure, args.out / "both.png")
