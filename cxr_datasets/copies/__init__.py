"""Copies of a release: getting one, what a folder or address holds, and whether it is whole."""

from cxr_datasets.copies.access import Checklist, access
from cxr_datasets.copies.download import download
from cxr_datasets.copies.recognise import Place, recognise
from cxr_datasets.copies.results import Command, Downloaded, Estimate
from cxr_datasets.copies.summary import Verified
from cxr_datasets.copies.verify import verify

__all__ = [
    "Checklist",
    "Command",
    "Downloaded",
    "Estimate",
    "Place",
    "Verified",
    "access",
    "download",
    "recognise",
    "verify",
]
