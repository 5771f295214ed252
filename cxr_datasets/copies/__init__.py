"""Copies of a release: what a folder or an address holds, and whether it is whole."""

from cxr_datasets.copies.recognise import Place, recognise
from cxr_datasets.copies.summary import Verified
from cxr_datasets.copies.verify import verify

__all__ = ["Place", "Verified", "recognise", "verify"]
