"""A finished export as a private dataset repository on the Hugging Face Hub."""

from cxr_datasets.push.push import Summary, push

__all__ = ["Summary", "push"]
