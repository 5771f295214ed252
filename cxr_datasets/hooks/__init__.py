"""The only room that touches internals of `datasets`."""

from cxr_datasets.hooks.loading import register

__all__ = ["register"]
