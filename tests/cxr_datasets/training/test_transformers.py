"""The `Trainer` of transformers takes rows of `ImageTransform.on` and `collate_studies`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

from cxr_datasets.columns import LABELS
from cxr_datasets.labels import to_targets
from cxr_datasets.training import ImageTransform, collate_studies

torch = pytest.importorskip("torch")

SIZE = 32
TRANSFORM = ImageTransform(SIZE)


class Classifier(torch.nn.Module):  # type: ignore[misc, name-defined]
    """A model as the `Trainer` takes it, which remembers the shapes it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(SIZE * SIZE, len(LABELS))
        self.seen: list[dict[str, Any]] = []

    def forward(
        self, pixel_values: Any, labels: Any = None, labels_mask: Any = None, image_mask: Any = None
    ) -> dict[str, Any]:
        self.seen.append({"pixels": pixel_values.shape, "images": image_mask.sum().item()})
        studies = pixel_values.flatten(-3)
        if studies.ndim == 3:
            studies = (studies * image_mask[..., None]).sum(1)
        logits = self.layer(studies)
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, labels, reduction="none"
        )
        return {"loss": (losses * labels_mask).sum() / labels_mask.sum(), "logits": logits}


@pytest.mark.parametrize("config", ["images", "studies"])
def test_the_trainer_of_transformers_with_its_defaults_trains_and_scores(
    config: str, images: datasets.Dataset, studies: datasets.Dataset, tmp_path: Path,
    one_thread: None,
) -> None:  # fmt: skip
    """`remove_unused_columns` stays true: `PixelRows` is no `datasets.Dataset`."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    rows = TRANSFORM.on((images if config == "images" else studies).select(range(12)))
    masks = []

    def metrics(predictions: Any) -> dict[str, float]:
        labels, mask = predictions.label_ids
        assert labels.shape == mask.shape == predictions.predictions.shape == (12, 14)
        masks.append(mask)
        return {"stated": float(mask.mean())}

    model = Classifier()
    trainer = transformers.Trainer(
        model=model,
        args=transformers.TrainingArguments(
            str(tmp_path), num_train_epochs=1, per_device_train_batch_size=4, report_to=[],
            save_strategy="no", disable_tqdm=True, use_cpu=True,
        ),
        train_dataset=rows,
        eval_dataset=rows,
        data_collator=collate_studies(),
        compute_metrics=metrics,
    )  # fmt: skip
    assert trainer.args.remove_unused_columns
    assert np.isfinite(trainer.train().training_loss)
    assert len(model.seen) == 3
    found = trainer.evaluate()["eval_stated"]
    assert found == pytest.approx(to_targets(rows.dataset).mask.mean())
    assert 0 < masks[0].mean() < 1
    shown = sum(seen["images"] for seen in model.seen[:3])
    assert shown == (12 if config == "images" else sum(map(len, rows.dataset["paths"])))
