"""Labels by age and sex, with MIMIC-IV beside MIMIC-CXR-JPG.

    cxr synthesize mimic-cxr-jpg practice/linked --patients 400 --mimic-iv practice/iv
    python examples/patients.py --data-dir practice/linked --mimic-iv practice/iv --out pictures

You learn: `mimic_iv=` gives each study its patient's sex and age, and the stay that it was made in;
null is a group of its own, for some patients have no row in MIMIC-IV; a prevalence is a share of
studies for which the label is known, and of few studies it is worth little. The invented labels do
not depend on age or sex, so what differs here is chance.
"""

import matplotlib.pyplot as plt
import pandas as pd
from datasets import load_dataset

import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.labels import frame
from shared import arguments, save

AGES = [0, 40, 60, 75, 90, 120]
NAMES = ["under 40", "40 to 59", "60 to 74", "75 to 89", "90 and over"]
LABEL = "Pleural Effusion"

if __name__ == "__main__":
    args = arguments(__doc__, data_dir="practice/linked", mimic_iv="practice/iv")

    # By study: config `reports` has a row for each, and reads no image.
    studies = frame(
        load_dataset("mimic_cxr_jpg", "reports", data_dir=args.data_dir, mimic_iv=args.mimic_iv)
    )
    # Ages above 89 are all 91.
    studies["age group"] = pd.cut(studies["age"].astype(float), AGES, right=False, labels=NAMES)
    known = studies["sex"].notna()
    admitted = studies["hadm_hits"].fillna(0) > 0
    print(
        f"{len(studies)} studies; sex and age of {known.sum()}; in an admission: {admitted.sum()}"
    )

    told = studies[known & studies[LABEL].isin([0, 1])]  # neither null nor uncertain
    by_group = told.groupby(["age group", "sex"], observed=False)[LABEL].agg(["mean", "size"])

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
    counts = studies.groupby(["age group", "sex"], observed=False).size().unstack()
    counts.plot.bar(ax=left, rot=0, xlabel="age at the study", ylabel="studies")
    by_group["mean"].unstack().plot.bar(ax=right, rot=0, xlabel="age at the study", legend=False)
    right.set_ylabel(f"{LABEL}: share of those told")
    # Above each bar, of how many studies it is the share: a bar of height 0 may be of none at all.
    for bars, sizes in zip(right.containers, by_group["size"].unstack().T.to_numpy(), strict=True):
        right.bar_label(bars, labels=[f"of {size}" for size in sizes], fontsize=7, padding=2)
    save(figure, args.out / "patients.png")
