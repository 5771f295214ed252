"""A training with accelerate, as docs/many_nodes.md shows it."""

from accelerate.utils import send_to_device
from torch.utils.data import DataLoader

from cxr_datasets.training import ElasticBatchSampler


def train(accelerator, dataset, batch_size, model, optimizer, state=None):
    """One epoch, or what a state leaves of it; gives the state after it."""
    sampler = ElasticBatchSampler(
        dataset, batch_size, rank=accelerator.process_index, world_size=accelerator.num_processes
    )
    if state is not None:
        sampler.load_state_dict(state)
    loader = DataLoader(dataset, batch_sampler=sampler)
    model, optimizer = accelerator.prepare(model, optimizer)  # and not the loader
    for batch in loader:
        loss = model(**send_to_device(batch, accelerator.device))
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
    return sampler.state_dict()
