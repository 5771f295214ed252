"""A finished export as a private dataset repository on the Hugging Face Hub."""

from cxr_datasets.hooks.sending import push_anywhere
from cxr_datasets.push.send import PushSummary, push

__all__ = ["PushSummary", "push", "push_anywhere"]
