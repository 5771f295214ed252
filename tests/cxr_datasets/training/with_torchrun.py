"""A training under torchrun that may be killed at any step, as docs/many_nodes.md shows it."""

import os

import torch
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from cxr_datasets.training import ElasticBatchSampler


def train(model, dataset, batch_size, epochs, checkpoint, collate, every=100, workers=0):
    """Train up to a number of epochs, from the checkpoint on if there is one."""
    rank, ranks = torch.distributed.get_rank(), torch.distributed.get_world_size()
    device = next(model.parameters()).device
    parallel = DistributedDataParallel(model)
    optimizer = torch.optim.AdamW(parallel.parameters())
    sampler = ElasticBatchSampler(dataset, batch_size, rank=rank, world_size=ranks)
    if os.path.exists(checkpoint):  # every rank reads it
        saved = torch.load(checkpoint, map_location=device)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        sampler.load_state_dict(saved["sampler"])

    def save(place):
        if rank == 0:
            parts = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save({**parts, "sampler": place}, f"{checkpoint}.new")
            os.replace(f"{checkpoint}.new", checkpoint)  # the old one or the new one, never half

    loader = DataLoader(dataset, batch_sampler=sampler, collate_fn=collate, num_workers=workers)
    while sampler.epoch < epochs:  # the sampler counts the epochs
        for done, batch in enumerate(loader, 1):
            names = ("pixel_values", "labels", "labels_mask")
            loss = parallel(*(batch[name].to(device) for name in names))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if done % every == 0:
                save(sampler.state_dict(batches_done=done))
        save(sampler.state_dict())  # the next epoch, from its first batch
