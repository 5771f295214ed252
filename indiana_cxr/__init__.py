"""Indiana University chest X-rays for Hugging Face `datasets`.

Importing this package makes `datasets.load_dataset("indiana_cxr", data_dir=...)` work, by this
name or by the path of this folder.
"""

from cxr_datasets.hooks import register
from indiana_cxr.indiana_cxr import IndianaCxr, IndianaCxrConfig

__all__ = ["IndianaCxr", "IndianaCxrConfig"]

register(__name__)
