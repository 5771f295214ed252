"""MIMIC-CXR-JPG for Hugging Face `datasets`.

Importing this package makes `datasets.load_dataset("mimic_cxr_jpg", data_dir=...)` work, by this
name or by the path of this folder.
"""

from cxr_datasets.hooks import register
from mimic_cxr_jpg import physionet  # noqa: F401  (registers the site)
from mimic_cxr_jpg.mimic_cxr_jpg import MimicCxrJpg, MimicCxrJpgConfig

__all__ = ["MimicCxrJpg", "MimicCxrJpgConfig"]

register(__name__)
