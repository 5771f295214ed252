"""The command `cxr`: a module a verb."""

from cxr_datasets.cli.command import main

__all__ = ["main"]
