"""What the builders of chest X-ray datasets share, whichever the dataset."""

from cxr_datasets._version import __version__
from cxr_datasets.errors import CxrError

__all__ = ["CxrError", "__version__"]
