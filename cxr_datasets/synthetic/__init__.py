"""Wholly invented releases of chest X-ray datasets, written from a seed.

`synthesize` is the door: it finds the dataset's own writer by the dataset's name and calls it. The
rest of this room is what such a writer is made of: painted radiographs, random streams, and files
whose bytes depend on nothing but their content.

What a dataset's package has to give is a module `synthetic` with a function `write_release`:

    def write_release(out, *, patients: int = 40, seed: int = 0) -> Path:

- `out` is the folder to make. Give it to `new_root`, which refuses one that holds something.
- All other parameters are keyword-only and have a default of type `int`, `float` or `str`. Each
  becomes an option of `cxr synthesize`, with its default's type. One of them is `seed`.
- It checks its options before it writes anything (`check_count`, `check_choice`, `check_scale`).
- Whatever it draws comes from `random_stream(seed, purpose)`, so that the same options give the
  same bytes. It calls neither `random` nor the clock.
- It returns the release's root: what a user gives as `data_dir`.

`cxr_datasets.testing.PackageCase` tests most of this.

What is promised: no pixel, word, id or label comes from a patient. The same seed and options give
the same bytes on the same versions of Python, numpy, Pillow and zlib; other versions may draw or
compress differently.
"""

from cxr_datasets.synthetic.drawing import hex_id, random_stream, scaled_size
from cxr_datasets.synthetic.files import (
    csv_bytes,
    gzip_bytes,
    jpeg_bytes,
    new_root,
    png_bytes,
    with_folders,
    write_files,
    write_tar_gz,
    write_zip,
)
from cxr_datasets.synthetic.options import check_choice, check_count, check_scale
from cxr_datasets.synthetic.painting import (
    PAINTED_VIEWS,
    SIGNS,
    draw_build,
    frontal_parts,
    paint_radiograph,
)
from cxr_datasets.synthetic.writers import release_writer, synthesize

__all__ = [
    "PAINTED_VIEWS",
    "SIGNS",
    "check_choice",
    "check_count",
    "check_scale",
    "csv_bytes",
    "draw_build",
    "frontal_parts",
    "gzip_bytes",
    "hex_id",
    "jpeg_bytes",
    "new_root",
    "paint_radiograph",
    "png_bytes",
    "random_stream",
    "release_writer",
    "scaled_size",
    "synthesize",
    "with_folders",
    "write_files",
    "write_tar_gz",
    "write_zip",
]
