"""Bytes, wherever they are: sources, file systems, logins, retries, reading ahead."""

from cxr_datasets.storage.archive import Archive
from cxr_datasets.storage.local import LocalFolder
from cxr_datasets.storage.remote import Remote
from cxr_datasets.storage.source import Source, Stamp, open_place

__all__ = ["Archive", "LocalFolder", "Remote", "Source", "Stamp", "open_place"]
