"""A copy on a server: looked at as a stream, then one split of it copied to this machine, small.

    cxr synthesize mimic-cxr-jpg practice/mimic --patients 400 --scale 0.125
    python -m http.server --directory practice --bind 127.0.0.1 8000
    python examples/remote.py --data-dir http://127.0.0.1:8000/mimic --export practice/remote

You learn: `data_dir` as an address, here of a web server, and just so `s3://...`, `gs://...`,
`hf://...` or `sftp://...`; that a stream fetches the images of its rows and some ahead, no more;
that `export` can take one split, while `load_dataset` without `streaming=True` builds them all.
Credentials are taken from where the store's own tools take them, or given as `storage_options`.
"""

import time

from datasets import load_dataset

import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.export import export
from shared import arguments, sheet

args = arguments(__doc__, data_dir="http://127.0.0.1:8000/mimic", export="practice/remote")
stream = load_dataset("mimic_cxr_jpg", data_dir=args.data_dir, split="train", streaming=True)
began = time.perf_counter()
images, captions = [], []
for row in stream.take(8):
    images.append(row["image"])
    captions.append(f"{row['view_position']}, after {time.perf_counter() - began:.2f} s")
    print(f"{row['path']}: {captions[-1]}")
sheet(images, captions, args.out / "remote.png")

# Without `image`, no image is fetched.
texts = stream.select_columns(["study_id", "impression"])
print(sum(row["impression"] is not None for row in texts), "rows have an impression")

print(export("mimic-cxr-jpg", args.data_dir, args.export, split="test", image_size=96))
print(load_dataset(args.export, split="test")[0]["image"])  # the server is not asked any more
