"""A classifier: a small network learns the 14 labels, each from the reports that state it.

    cxr synthesize mimic-cxr-jpg practice/mimic --patients 400 --scale 0.125
    python examples/classifier.py --data-dir practice/mimic --out pictures

You learn: rows with pixels that stack, by `ImageTransform`; targets and which of them count, by
`collate_studies`; a loss that counts stated cells only, so that "not mentioned" is not taught as
"not there"; and at the end, for once, the mean AUROC over the labels of the test split.
"""

import matplotlib.pyplot as plt
import torch
from datasets import load_dataset
from torch import nn
from torch.utils.data import DataLoader

import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.columns import LABELS
from cxr_datasets.labels import Targets, masked_auroc
from cxr_datasets.training import ImageTransform, collate_studies
from shared import arguments, save

args = arguments(__doc__, data_dir="practice/mimic", epochs=10)
images = load_dataset("mimic_cxr_jpg", data_dir=args.data_dir, views=["frontal"])
rows = ImageTransform(224).on(images.select_columns(["image", "labels"]))

torch.manual_seed(0)
shapes = ((1, 16, 7, 4), (16, 32, 3, 2), (32, 64, 3, 2))
layers = [layer for before, after, size, stride in shapes for layer in
          (nn.Conv2d(before, after, size, stride), nn.BatchNorm2d(after), nn.ReLU())]  # fmt: skip
model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(1024, len(LABELS)))
optimizer, losses = torch.optim.AdamW(model.parameters(), lr=3e-3), []
for epoch in range(args.epochs):
    for batch in DataLoader(rows["train"], 16, shuffle=True, collate_fn=collate_studies()):
        stated = batch["labels_mask"]
        loss = nn.functional.binary_cross_entropy_with_logits(
            model(batch["pixel_values"])[stated], batch["labels"][stated]
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch + 1}: loss {loss:.3f}")

test = list(DataLoader(rows["test"], 64, collate_fn=collate_studies()))
with torch.no_grad():
    logits = torch.cat([model.eval()(batch["pixel_values"]) for batch in test])
targets = Targets(*(torch.cat([batch[name] for batch in test]).numpy()
                    for name in ("labels", "labels_mask")))  # fmt: skip
scores = masked_auroc(targets, logits.numpy())["auroc"]
print(f"test: AUROC {scores['mean']:.2f}, the mean of {scores[:-1].notna().sum()} labels")

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
left.plot(losses)
left.set(title="loss of each step, train")
right.barh(LABELS, scores[:-1] - 0.5, left=0.5)
right.set(title="AUROC by label, test (0.5: no better than chance)", xlim=(0, 1))
save(figure, args.out / "classifier.png")
