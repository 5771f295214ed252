"""Images: their column in a dataset, decoding for training, resizing."""

from cxr_datasets.images.decoding import decode, decode_batch

__all__ = ["decode", "decode_batch"]
