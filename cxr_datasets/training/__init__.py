"""From the rows of a built dataset to batches for a model: order, pixels, collation.

Nothing here needs torch to be imported.
"""

from cxr_datasets.training.boxes import boxes_to_original, boxes_to_square
from cxr_datasets.training.collate import collate_studies
from cxr_datasets.training.lightning import lightning_state, load_lightning_state
from cxr_datasets.training.pixels import ImageTransform
from cxr_datasets.training.rows import PixelRows
from cxr_datasets.training.sampler import ElasticBatchSampler
from cxr_datasets.training.scales import IMAGENET_MEAN, IMAGENET_STD

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "ElasticBatchSampler",
    "ImageTransform",
    "PixelRows",
    "boxes_to_original",
    "boxes_to_square",
    "collate_studies",
    "lightning_state",
    "load_lightning_state",
]
