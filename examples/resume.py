"""A stream into a DataLoader, stopped in the middle of an epoch and resumed without losing a row.

    cxr synthesize mimic-cxr-jpg practice/mimic --patients 400 --scale 0.125
    python examples/resume.py --data-dir practice/mimic --out pictures

You learn: batches from a stream, no dataset built on disk; `state_dict()`, to be saved with the
model's checkpoint; `load_state_dict()` on a new stream, which goes on with the next row. The loader
has no workers: the stream is then this process's own and knows what was taken (threads of its own
read ahead). With workers, use torchdata's `StatefulDataLoader`, which asks each of them.
"""

import json

import torch
from datasets import Image, load_dataset
from torch.utils.data import DataLoader

import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.images import decode
from shared import arguments, sheet, square

args = arguments(__doc__, data_dir="practice/mimic", batches=3)


def open_stream():
    """The frontal images of the training split, undecoded."""
    stream = load_dataset("mimic_cxr_jpg", data_dir=args.data_dir, views=["frontal"],
                          split="train", streaming=True)  # fmt: skip
    return stream.select_columns(["image", "image_id"]).cast_column("image", Image(decode=False))


def batch(rows):
    """Rows of a batch: pixels (rows, 64, 64) of 0 to 255, and ids."""
    pixels = [torch.from_numpy(square(decode(row, 64))) for row in rows]
    return {"pixels": torch.stack(pixels), "ids": [row["image_id"] for row in rows]}


stream = open_stream()
before = []
for number, taken in enumerate(DataLoader(stream, batch_size=8, collate_fn=batch), 1):
    before.append(taken)  # a training step would stand here
    if number == args.batches:
        break
state = json.dumps(stream.state_dict())
print("state:", state)

again = open_stream()
again.load_state_dict(json.loads(state))
after = list(DataLoader(again, batch_size=8, collate_fn=batch))

ids = [id for taken in before + after for id in taken["ids"]]
everything = [row["image_id"] for row in open_stream().select_columns("image_id")]
print(f"{len(before)} batches before the stop, {len(after)} after it;", end=" ")
print("every row once, in order" if ids == everything else "ROWS WERE LOST OR REPEATED")
shown = [*before[-1]["pixels"].numpy()[-4:], *after[0]["pixels"].numpy()[:4]]
captions = [f"row {8 * args.batches + number}" for number in range(-4, 4)]
captions[3], captions[4] = f"{captions[3]}, the last before", f"{captions[4]}, the first after"
sheet(shown, captions, args.out / "resume.png")
