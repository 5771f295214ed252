"""The only room that changes another library, and `HOOKS`, the table of what it changes.

`internals.py` beside it lists the names of `datasets` that we rely on without changing them.
"""

from __future__ import annotations

from dataclasses import dataclass

from cxr_datasets.hooks.loading import register


@dataclass(frozen=True)
class Hook:
    """A change that importing a dataset's package makes to another library.

    Attributes:
        target: What is replaced.
        what: What our function does before it calls the original.
        why: What does not work without it.
        since: The version of this project that brought it.
        noticed_by: The test that fails when a new version of the library breaks it.
    """

    target: str
    what: str
    why: str
    since: str
    noticed_by: str


_TESTS = "tests/cxr_datasets/hooks"

HOOKS = (
    Hook(
        target="datasets.load.dataset_module_factory",
        what="Answers for the folders and names of our packages. Every other call goes on as it "
        "came.",
        why="datasets 4 and later refuse a folder that holds a loading script.",
        since="0.1.0",
        noticed_by=f"{_TESTS}/test_loading.py::test_the_folder_loads_however_its_path_is_written",
    ),
    Hook(
        target="datasets.inspect.dataset_module_factory",
        what="The same function once more, because datasets.inspect keeps its own reference.",
        why="Without it get_dataset_config_names and the like refuse our folders.",
        since="0.1.0",
        noticed_by=f"{_TESTS}/test_loading.py::test_inspection_of_the_dataset_works",
    ),
    Hook(
        target="datasets.iterable_dataset.SelectColumnsIterable.__init__",
        what="Where the columns leave out the images, tells a builder of ours to read none. "
        "Streams of other builders stay as they are.",
        why="select_columns drops columns of complete rows, so each image would be fetched to be "
        "thrown away.",
        since="0.1.0",
        noticed_by=f"{_TESTS}/test_training.py"
        "::test_select_columns_without_the_image_asks_for_no_image",
    ),
    Hook(
        target="datasets.formatting.polars_formatter.PolarsFeaturesDecoder.decode_row",
        what="Decodes the images of a frame, those of other datasets too. All other columns stay "
        "as they are.",
        why='with_format("polars") raises TypeError for every row that holds an image '
        "(huggingface/datasets#8402).",
        since="0.1.0",
        noticed_by=f"{_TESTS}/test_frames.py::test_a_frame_holds_the_decoded_images",
    ),
    Hook(
        target="datasets.formatting.polars_formatter.PolarsFeaturesDecoder.decode_column",
        what="Decodes a column of images, or of lists of images, into one of the type Object. All "
        "other columns go on as they came.",
        why="Lists of images, and columns of which no row has an image, raise ComputeError.",
        since="0.1.0",
        noticed_by=f"{_TESTS}/test_frames.py::test_a_column_holds_the_decoded_images",
    ),
    Hook(
        target="datasets.features.image.Image.decode_example",
        what="Refuses PostScript, in columns of other datasets too, and reads a remote image of a "
        "release that was loaded here by what it was loaded with. Every other image goes on as it "
        "came.",
        why="Pillow gives PostScript to Ghostscript, whatever the file is called, and datasets "
        "makes plain features of ours: in concatenate_datasets, load_from_disk and exports.",
        since="0.1.0",
        noticed_by=f"{_TESTS}/test_images.py::test_a_plain_feature_starts_no_program",
    ),
)
"""Every change that an import of ours makes to another library."""

__all__ = ["HOOKS", "Hook", "register"]
