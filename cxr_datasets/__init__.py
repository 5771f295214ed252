"""What the chest X-ray builders `mimic_cxr_jpg` and `indiana_cxr` share."""

from cxr_datasets._version import __version__
from cxr_datasets.errors import CxrError

__all__ = ["CxrError", "__version__"]
