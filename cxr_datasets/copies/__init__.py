"""Copies of a release: what a folder or an address holds, and whether it is whole."""

from cxr_datasets.copies.recognise import Place, recognise

__all__ = ["Place", "recognise"]
