"""A training that is killed in the middle of an epoch, and goes on with other workers and ranks.

    cxr synthesize mimic-cxr-jpg practice/mimic --patients 400 --scale 0.125
    python examples/resume_training.py --data-dir practice/mimic --out pictures

You learn: an order that any number of workers and ranks goes on with, by `ElasticBatchSampler`;
and what a checkpoint holds, so that the weights come out the same bit for bit.
"""

import matplotlib.pyplot as plt
import torch
from datasets import load_dataset
from torch.utils.data import DataLoader

import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.training import ElasticBatchSampler, ImageTransform, collate_studies
from shared import arguments, save

args = arguments(__doc__, data_dir="practice/mimic", killed_after=3)
images = load_dataset("mimic_cxr_jpg", data_dir=args.data_dir, views=["frontal"], split="train")
rows = ImageTransform(64).on(images.select_columns(["image", "image_id", "labels"]))


def train(steps=10**9, workers=0, checkpoint=None):
    """Train for some steps, or to the end of the epoch: ids, losses and weights."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(), torch.nn.Linear(4096, 14))
    optimizer, seen, losses = torch.optim.AdamW(model.parameters(), lr=1e-4), [], []
    order = ElasticBatchSampler(images, batch_size=16)
    if checkpoint:
        for part, state in zip((model, optimizer, order), checkpoint["run"], strict=True):
            part.load_state_dict(state)
        torch.set_rng_state(checkpoint["random"])
    how = {"batch_sampler": order, "collate_fn": collate_studies(), "num_workers": workers}
    loader = DataLoader(rows, **how, generator=torch.Generator())
    for _, batch in zip(range(steps), loader, strict=False):
        errors = (model(batch["pixel_values"]) - batch["labels"])[batch["labels_mask"]]
        optimizer.zero_grad()
        (loss := errors.square().mean()).backward()
        optimizer.step()
        seen, losses = [*seen, *batch["image_id"]], [*losses, loss.item()]
    run = [model.state_dict(), optimizer.state_dict(), order.state_dict(batches_done=len(losses))]
    torch.save({"run": run, "random": torch.get_rng_state()}, "checkpoint.pt")
    return seen, losses, model[-1].weight


_, undisturbed, expected = train()
before, losses, _ = train(args.killed_after)
after, more, weights = train(workers=2, checkpoint=(saved := torch.load("checkpoint.pt")))
ids, same = images["image_id"][:], torch.equal(weights, expected)
once = sorted(before + after) == sorted(ids)
print(f"two workers: every row once: {once}; the same weights, bit for bit: {same}")
for rank in range(3):  # larger batches on three ranks, each of which would be a process
    order = ElasticBatchSampler(images, batch_size=24, rank=rank, world_size=3)
    order.load_state_dict(saved["run"][-1])
    before += [ids[row] for batch in order for row in batch]
print("three ranks: every row once:", sorted(before) == sorted(ids))
plt.plot(undisturbed, "-", losses + more, ":", linewidth=4)
plt.title("loss of each step; dotted: killed and resumed")
save(plt.gcf(), args.out / "resume_training.png")
