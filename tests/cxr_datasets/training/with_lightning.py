"""A training with Lightning, as docs/many_nodes.md shows it."""

import warnings

import lightning
from torch.utils.data import DataLoader

from cxr_datasets.training import ElasticBatchSampler, lightning_state, load_lightning_state


class Rows(lightning.LightningDataModule):
    """The batches of each rank, and the place in them."""

    def __init__(self, dataset, batch_size, num_workers=0):
        super().__init__()
        self.dataset, self.batch_size, self.num_workers = dataset, batch_size, num_workers
        self.state = None

    def train_dataloader(self):
        self.sampler = ElasticBatchSampler(
            self.dataset,
            self.batch_size,
            rank=self.trainer.global_rank,
            world_size=self.trainer.world_size,
        )
        if self.state is not None:
            load_lightning_state(self.trainer, self.sampler, self.state)
            self.state = None
        return DataLoader(self.dataset, batch_sampler=self.sampler, num_workers=self.num_workers)

    def state_dict(self):
        return lightning_state(self.trainer, self.sampler)

    def load_state_dict(self, state):
        self.state = state


def trainer(**options):
    """A trainer that puts no sampler of its own in the place of ours."""
    warnings.filterwarnings("ignore", ".*your dataloader is not resumable")  # the module is
    return lightning.Trainer(use_distributed_sampler=False, **options)
