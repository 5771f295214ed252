"""Images: the column of a dataset, decoding for training, smaller copies."""

from cxr_datasets.images.decoding import decode, decode_batch

__all__ = ["decode", "decode_batch"]
