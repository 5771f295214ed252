"""Tables of other people, joined beside the rows of a dataset: layers.

A layer is any table with a column of ids: of images, studies or patients. `Layer` says what a
table is; `open_layers` reads each once into a file in the cache; `Layers` adds its columns to rows.
Boxes come in the pixels of the image that is handed out.
"""

from cxr_datasets.layers.layer import Layer, ReadyLayer
from cxr_datasets.layers.masks import decode_rle

__all__ = ["Layer", "ReadyLayer", "decode_rle"]
