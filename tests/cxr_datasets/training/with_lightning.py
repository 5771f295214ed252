"""A training with Lightning, as docs/many_nodes.md shows it."""

import lightning
from torchdata.stateful_dataloader import StatefulDataLoader

from cxr_datasets.training import ElasticBatchSampler


class Rows(lightning.LightningDataModule):
    """The batches of each rank."""

    def __init__(self, dataset, batch_size):
        super().__init__()
        self.dataset, self.batch_size = dataset, batch_size

    def train_dataloader(self):
        sampler = ElasticBatchSampler(
            self.dataset,
            self.batch_size,
            rank=self.trainer.global_rank,
            world_size=self.trainer.world_size,
        )
        return StatefulDataLoader(self.dataset, batch_sampler=sampler)


def trainer(**options):
    """A trainer that puts no sampler of its own in the place of ours."""
    return lightning.Trainer(use_distributed_sampler=False, **options)
