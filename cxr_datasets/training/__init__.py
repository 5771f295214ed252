"""From the rows of a built dataset to batches for a model: order, pixels, collation.

Nothing here needs torch to be imported.
"""

from cxr_datasets.training.sampler import ElasticBatchSampler

__all__ = ["ElasticBatchSampler"]
