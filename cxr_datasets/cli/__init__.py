"""The command `cxr`: a module for each verb, imported when the verb is called."""

from cxr_datasets.cli.command import main

__all__ = ["main"]
