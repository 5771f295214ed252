"""The flow chart of a paper: which rows of the release are left, rule by rule.

    cxr synthesize mimic-cxr-jpg practice/mimic --patients 400 --scale 0.125
    python examples/cohort.py --data-dir practice/mimic --out pictures

You learn: a list of ids with splits, as R2Gen's annotation.json, in place of the release's splits;
rows that must have findings; three folds by a hash of the patient; one percent of the patients.
"""

import json
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from datasets import load_dataset, load_dataset_builder

import mimic_cxr_jpg  # noqa: F401
from shared import arguments, save


def write_list(file, reports):
    """Write a list of the form of R2Gen's: by split, an entry for each study but every tenth."""
    names = {"train": "train", "validation": "val", "test": "test"}
    lists = {
        names[split]: [
            {"study_id": id} for number, id in enumerate(rows["study_id"]) if number % 10
        ]
        for split, rows in reports.items()
    }
    file.write_text(json.dumps(lists))


if __name__ == "__main__":
    args = arguments(__doc__, data_dir="practice/mimic")
    where = {"path": "mimic_cxr_jpg", "data_dir": args.data_dir}

    with tempfile.TemporaryDirectory() as folder:
        mine = Path(folder, "annotation.json")
        write_list(mine, load_dataset(name="reports", **where))
        options = {"split_file": mine, "views": "frontal", "require": ["findings", "labels"]}
        steps = load_dataset_builder(**where, **options).steps()
    for step in steps:
        print(
            f"{step.rule}: {step.images} images, {step.studies} studies, {step.patients} patients"
        )

    held = set()
    for fold in range(3):
        cut = load_dataset(name="reports", **where, split_by="patient", folds=3, fold=fold)
        held |= set(cut["validation"]["subject_id"])
    few = load_dataset(name="reports", **where, fraction=0.01)
    print(f"{len(held)} patients were held out once, {len({*few['train']['subject_id']})} are 1 %")

    figure, axis = plt.subplots(figsize=(9, 3), layout="constrained")
    rules = [step.rule.partition(", digest")[0] for step in steps]
    bars = axis.barh(rules[::-1], [step.studies for step in steps][::-1], color="tab:blue")
    axis.bar_label(bars, padding=3)
    axis.set_xlabel("studies that are left")
    save(figure, args.out / "cohort.png")
