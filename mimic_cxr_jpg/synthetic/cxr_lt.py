"""Invented tables of CXR-LT: many labels, most of them rare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from cxr_datasets import synthetic
from cxr_datasets.columns import LABELS
from mimic_cxr_jpg.synthetic.studies import Study

# Labels of CXR-LT: 45 in 2024. Those of 2023 have "No Finding" in place of "Normal".
_CXR_LT_2024 = (
    "Adenopathy", "Atelectasis", "Azygos Lobe", "Bulla", "Calcification of the Aorta",
    "Cardiomegaly", "Cardiomyopathy", "Clavicle Fracture", "Consolidation", "Edema", "Emphysema",
    "Enlarged Cardiomediastinum", "Fibrosis", "Fissure", "Fracture", "Granuloma", "Hernia",
    "Hilum", "Hydropneumothorax", "Infarction", "Infiltration", "Kyphosis", "Lobar Atelectasis",
    "Lung Lesion", "Lung Opacity", "Mass", "Nodule", "Normal", "Osteopenia", "Pleural Effusion",
    "Pleural Other", "Pleural Thickening", "Pneumomediastinum", "Pneumonia", "Pneumoperitoneum",
    "Pneumothorax", "Pulmonary Embolism", "Pulmonary Hypertension", "Rib Fracture",
    "Round(ed) Atelectasis", "Scoliosis", "Subcutaneous Emphysema", "Support Devices",
    "Tortuous Aorta", "Tuberculosis",
)  # fmt: skip
_CXR_LT_2023 = (
    "Atelectasis", "Calcification of the Aorta", "Cardiomegaly", "Consolidation", "Edema",
    "Emphysema", "Enlarged Cardiomediastinum", "Fibrosis", "Fracture", "Hernia", "Infiltration",
    "Lung Lesion", "Lung Opacity", "Mass", "No Finding", "Nodule", "Pleural Effusion",
    "Pleural Other", "Pleural Thickening", "Pneumomediastinum", "Pneumonia", "Pneumoperitoneum",
    "Pneumothorax", "Subcutaneous Emphysema", "Support Devices", "Tortuous Aorta",
)  # fmt: skip
_CXR_LT_SPLITS = ("train", "development", "test")


def cxr_lt(studies: Iterable[Study], seed: int) -> Iterator[tuple[str, bytes]]:
    """Give the table of 2024, and those of 2023, which name an image by its path alone.

    Args:
        studies: The studies.
        seed: Gives what is drawn.
    """
    rng = synthetic.random_stream(seed, "CXR-LT")
    header = ("dicom_id", "subject_id", "study_id", "ViewPosition", "ViewCodeSequence_CodeMeaning",
              "fpath", *_CXR_LT_2024, "split")  # fmt: skip
    rows = []
    of_2023: dict[str, list[tuple[Any, ...]]] = {name: [] for name in _CXR_LT_SPLITS}
    for study in studies:
        split = rng.choice(("train", "train", *_CXR_LT_SPLITS))
        told = {"Normal": int(study.labels.get("No Finding") == 1)} | {
            name: int(study.labels.get(name) == 1 or (name not in LABELS and rng.random() < 0.02))
            for name in (*_CXR_LT_2024, "No Finding") if name != "Normal"
        }  # fmt: skip
        for image in study.images:
            path = study.image_path(image)
            rows.append((image.dicom_id, study.subject_id, study.study_id, image.view, "", path,
                         *(told[name] for name in _CXR_LT_2024), split))  # fmt: skip
            of_2023[split].append((path, *(told[name] for name in _CXR_LT_2023)))
    yield "cxr-lt-2024/labels.csv", synthetic.csv_bytes(header, rows)
    for split, some in of_2023.items():
        yield f"cxr-lt-2023/{split}.csv", synthetic.csv_bytes(("path", *_CXR_LT_2023), some)
