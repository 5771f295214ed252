"""A training that is killed in the middle of an epoch, and goes on with other workers and ranks.

    cxr synthesize mimic-cxr-jpg practice/mimic --patients 400 --scale 0.125
    python examples/resume_training.py --data-dir practice/mimic --out pictures

You learn: an order that any number of workers and ranks goes on with, by `ElasticBatchSampler`;
what a checkpoint holds, so that the weights come out the same bit for bit; and how larger batches
on three ranks take over the rest of an epoch.
"""

from itertools import islice

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
ids = images["image_id"][:]
args.out.mkdir(parents=True, exist_ok=True)
checkpoint = args.out.parent / "checkpoint.pt"


def train(steps=None, workers=0, resume=False):
    """Train for some steps, or to the end of the epoch: ids, losses and weights."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(), torch.nn.Linear(4096, 14))
    optimizer, seen, losses = torch.optim.AdamW(model.parameters(), lr=1e-4), [], []
    order = ElasticBatchSampler(images, batch_size=16)
    if resume:
        for part, state in zip((model, optimizer, order), (saved := torch.load(checkpoint))["run"]):
            part.load_state_dict(state)
        torch.set_rng_state(saved["random"])
    loader = DataLoader(rows, batch_sampler=order, collate_fn=collate_studies(),
                        num_workers=workers, generator=torch.Generator())  # fmt: skip
    for batch in islice(loader, steps):
        errors = (model(batch["pixel_values"]) - batch["labels"])[batch["labels_mask"]]
        optimizer.zero_grad()
        (loss := errors.square().mean()).backward()
        optimizer.step()
        seen, losses = [*seen, *batch["image_id"]], [*losses, loss.item()]
    run = [model.state_dict(), optimizer.state_dict(), order.state_dict(batches_done=len(losses))]
    torch.save({"run": run, "random": torch.get_rng_state()}, checkpoint)
    return seen, losses, model[-1].weight


_, undisturbed, expected = train()
before, losses, _ = train(args.killed_after)
state = torch.load(checkpoint)["run"][-1]
after, more, weights = train(workers=2, resume=True)
print("every row once:", sorted(before + after) == sorted(ids), end="; ")
print("the same weights, bit for bit:", torch.equal(weights, expected))
for rank in range(3):  # of which each would be a process
    order = ElasticBatchSampler(images, batch_size=24, rank=rank, world_size=3)
    order.load_state_dict(state)
    before += [ids[row] for batch in order for row in batch]
print("three ranks, batches of 24: every row once:", sorted(before) == sorted(ids))
figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
axes.plot(undisturbed, lw=6, alpha=0.4, label="undisturbed")
axes.plot(losses, "o-", label="until it was killed")
axes.plot(range(len(losses), len(losses + more)), more, "o-", label="resumed with two workers")
axes.set(xlabel="step", ylabel="loss")
axes.legend()
save(figure, args.out / "resume_training.png")
