"""A training with the Trainer of transformers, as docs/many_nodes.md shows it."""

from torch.utils.data import DataLoader
from transformers import Trainer

from cxr_datasets.training import ElasticBatchSampler


class ElasticTrainer(Trainer):
    """A trainer whose batches are the same whatever the number of ranks."""

    def get_train_dataloader(self):
        sampler = ElasticBatchSampler(
            self.train_dataset,
            self.args.train_batch_size * self.args.world_size,
            seed=self.args.seed,
            rank=self.args.process_index,
            world_size=self.args.world_size,
        )
        return DataLoader(
            self.train_dataset,
            batch_sampler=sampler,
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
        )
