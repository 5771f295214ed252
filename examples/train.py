"""A training loop: a small network learns the 14 labels, each from the studies that state it.

    cxr synthesize mimic-cxr-jpg practice/mimic --patients 400 --scale 0.125
    python examples/train.py --data-dir practice/mimic --out pictures

You learn: images decoded small, a batch at once, by `decode_batch` in `with_transform`; a loss that
counts stated cells only, so that "not mentioned" is not taught as "not there"; AUC by label.
"""

import matplotlib.pyplot as plt
import torch
from datasets import Image, load_dataset
from torch import nn
from torch.utils.data import DataLoader

import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.columns import LABELS
from cxr_datasets.images import decode_batch
from cxr_datasets.labels import Targets, masked_auroc, to_targets
from shared import arguments, save, square


def tensors(rows):
    """Rows as tensors: pixels (1, 64, 64) from -1 to 1; targets (14,) and which of them count."""
    pixels = [torch.from_numpy(square(image)) for image in decode_batch(rows, 64)]
    targets, stated = to_targets(rows["labels"])
    pixels = [(image[None] - 128.0) / 128 for image in pixels]
    return {"pixels": pixels, "targets": targets, "stated": stated}


args = arguments(__doc__, data_dir="practice/mimic", epochs=10)
images = load_dataset("mimic_cxr_jpg", data_dir=args.data_dir, views=["frontal"])
images = images.cast_column("image", Image(decode=False)).with_transform(tensors)
layers = [layer for before, after in ((1, 16), (16, 32), (32, 64)) for layer in
          (nn.Conv2d(before, after, 3, 2), nn.BatchNorm2d(after), nn.ReLU())]  # fmt: skip
model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(576, len(LABELS)))
optimizer, losses = torch.optim.AdamW(model.parameters(), lr=3e-3), []
for epoch in range(args.epochs):
    for batch in DataLoader(images["train"], batch_size=16, shuffle=True):
        logits, stated = model(batch["pixels"]), batch["stated"]
        loss = nn.functional.binary_cross_entropy_with_logits(
            logits[stated], batch["targets"][stated]
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch + 1}: loss {loss:.3f}")
(batch,) = DataLoader(images["validation"], batch_size=len(images["validation"]))
targets = Targets(batch["targets"].numpy(), batch["stated"].numpy())
scores = masked_auroc(targets, model.eval()(batch["pixels"]).detach().numpy())["auroc"][:-1]
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
left.plot(losses)
left.set(title="loss of each step, train")
right.barh(LABELS, scores - 0.5, left=0.5)
right.set(title="AUC by label, validation (0.5: no better than chance)", xlim=(0, 1))
save(figure, args.out / "train.png")
