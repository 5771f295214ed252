"""Wholly invented releases of chest X-ray datasets, written from a seed.

`synthesize` is the door: it looks up the dataset's own writer by name. The rest of this room is
what every such writer needs: painted radiographs, seeded random streams, and file writers whose
bytes depend on nothing but their input.

What is promised: no pixel, word, id or label comes from a person. The same seed and options give
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
from cxr_datasets.synthetic.painting import PAINTED_VIEWS, SIGNS, paint_radiograph
from cxr_datasets.synthetic.writers import release_writer, synthesize

__all__ = [
    "PAINTED_VIEWS",
    "SIGNS",
    "check_choice",
    "check_count",
    "check_scale",
    "csv_bytes",
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
