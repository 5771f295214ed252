"""CheXpert-v1.0-small for Hugging Face `datasets`.

Importing this package makes `datasets.load_dataset("chexpert_small", data_dir=...)` work, by this
name or by the path of this folder.
"""

from chexpert_small.chexpert_small import ChexpertSmall
from cxr_datasets.hooks import register

__all__ = ["ChexpertSmall"]

register(__name__)
