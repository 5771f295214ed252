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
        versions: The versions of `datasets` that have it, such as `>=4`; empty: all we support.
    """

    target: str
    what: str
    why: str
    since: str
    noticed_by: str
    versions: str = ""


_TESTS = "tests/cxr_datasets/hooks"


def _looks(target: str, noticed_by: str, versions: str = "") -> Hook:
    """Describe the look before a call that may write to the Hub."""
    return Hook(
        target=target,
        what="Where rows carry an agreement and go to the Hub, looks first who can see them there, "
        "and refuses a public or gated place, or one about to be made public. All else goes on as "
        "it came.",
        why="Credentialed data would become public: private=True counts only for a repository that "
        "the call makes.",
        since="0.1.0",
        noticed_by=f"{_TESTS}/test_sending.py::{noticed_by}",
        versions=versions,
    )


_PUSHED = "test_a_push_to_a_place_that_others_see_is_refused_before_anything_is_sent"
_WRITTEN = "test_a_file_for_a_place_that_others_see_is_refused_before_anything_is_sent"

_SHUFFLES = f"{_TESTS}/test_shuffling.py"
_NODE = f"{_TESTS}/test_training.py::test_each_node_reads_its_own_images_only"
_CUT = f"{_SHUFFLES}::test_take_and_skip_split_the_rows_the_same_way_in_each_epoch"
_ONE_ORDER = (
    "datasets fixes the order for good, the same in each epoch, or lets rows change sides with the "
    "epoch; and each worker would take its own share."
)

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
        what="Tells a builder of ours which columns are looked at: without images it reads none, "
        "without texts no report, without labels_text it labels none, without columns of "
        "earlier studies it reads none of these. Streams of other builders stay as they are.",
        why="select_columns drops columns of complete rows, so each image would be fetched to be "
        "thrown away.",
        since="0.1.0",
        noticed_by=f"{_TESTS}/test_training.py"
        "::test_select_columns_without_the_image_asks_for_no_image",
    ),
    Hook(
        target="datasets.iterable_dataset.IterableDataset.shuffle",
        what="Draws the rows of ours from the whole index, in an order computed from seed, epoch "
        "and position. Steps that see several rows at once keep the buffer, and streams of other "
        "builders stay as they are.",
        why="A buffer mixes only rows that are near each other, has to fill before the first one "
        "comes, and is lost when the stream resumes (huggingface/datasets#7444).",
        since="0.1.0",
        noticed_by=f"{_SHUFFLES}::test_each_row_comes_once_in_an_order_of_the_seed",
    ),
    Hook(
        target="datasets.iterable_dataset.IterableDataset.state_dict",
        what="Says once that rows may be lost, where rows of ours wait in a buffer all the same. "
        "Gives the state that was loaded, until a row is read.",
        why="datasets would lose the rows in silence, and start anew where a stream is stopped "
        "twice before its first row.",
        since="0.1.0",
        noticed_by=f"{_SHUFFLES}"
        "::test_rows_that_cannot_be_drawn_are_shuffled_as_before_and_one_warning_says_it",
    ),
    Hook(
        target="datasets.iterable_dataset.IterableDataset.load_state_dict",
        what="Notes for `state_dict`, as above, that a stream of ours has not been read since.",
        why="The stream itself does not know it.",
        since="0.1.0",
        noticed_by=f"{_SHUFFLES}::test_a_state_that_was_loaded_is_given_until_a_row_is_read",
    ),
    Hook(
        target="datasets.iterable_dataset._BaseExamplesIterable.load_state_dict",
        what="Says which mistake it is where the state of a stream of ours is one of other steps.",
        why="It ends in a KeyError of a name that the user has never seen.",
        since="0.1.0",
        noticed_by=f"{_SHUFFLES}::test_a_state_of_other_steps_is_refused",
    ),
    *(
        Hook(
            target=f"datasets.iterable_dataset.{step}.__init__",
            what=f"Where rows of ours are shuffled, {what} as part of their order. Every other "
            "stream is cut as it was.",
            why=why,
            since="0.1.0",
            noticed_by=noticed_by,
        )
        for step, what, why, noticed_by in (
            ("TakeExamplesIterable", "takes them", _ONE_ORDER, _CUT),
            ("SkipExamplesIterable", "skips them, reading none,", _ONE_ORDER, _CUT),
            (
                "StepExamplesIterable",
                "takes those of a node",
                "Where the number of nodes does not divide that of shards, each node would read "
                "the images of all nodes.",
                _NODE,
            ),
        )
    ),
    *(
        Hook(
            target=f"datasets.iterable_dataset.{name}",
            what=f"{what} Streams of all builders.",
            why="datasets imports torch for its first stream, where it is installed: more than a "
            "second, and longer than to read the tables of a release.",
            since="0.1.0",
            noticed_by=f"{_TESTS}/test_torch_later.py"
            "::test_a_stream_made_before_torch_is_imported_is_one_of_torchs_afterwards",
        )
        for name, what in (
            ("IterableDataset.__init__", "Notes a stream that is made before torch is imported."),
            ("IterableDataset.__setstate__", "The same, for one that is unpickled."),
            (
                "_maybe_add_torch_iterable_dataset_parent_class",
                "Waits until somebody imports torch, and then makes the class one of torch's.",
            ),
            (
                "_maybe_share_with_torch_persistent_workers",
                "Waits until then, too, and shares the number of the epoch with workers that stay.",
            ),
        )
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
    Hook(
        target="datasets.arrow_dataset.Dataset.to_iterable_dataset",
        what="Gives the stream the licence of the rows, if it names an agreement.",
        why="The stream has an empty info, so that the look before a push would not know its rows.",
        since="0.1.0",
        noticed_by=f"{_TESTS}/test_carrying.py::test_rows_keep_their_agreement",
    ),
    Hook(
        target="datasets.io.parquet.ParquetDatasetWriter.__init__",
        what="Notes the licence in the schema of the file, if it names an agreement.",
        why="The schema holds the features alone.",
        since="0.1.0",
        noticed_by=f"{_TESTS}/test_carrying.py"
        "::test_parquet_files_keep_the_agreement_for_those_who_load_them",
    ),
    Hook(
        target="datasets.iterable_dataset.IterableDataset.to_parquet",
        what="Hands the licence of the stream on to the file, as above; and looks first who can "
        "see it, as below.",
        why="The stream becomes a table first, which has no licence.",
        since="0.1.0",
        noticed_by=f"{_TESTS}/test_carrying.py"
        "::test_parquet_files_keep_the_agreement_for_those_who_load_them",
        versions=">=4",
    ),
    *(
        Hook(
            target=f"datasets.builder.DatasetBuilder.{name}",
            what="Reads the licence from the schema of Parquet files that are loaded, of one in "
            "each folder. One that names an agreement becomes that of the rows.",
            why="datasets reads the features alone, so that an export loaded again would not say "
            "that it is credentialed.",
            since="0.1.0",
            noticed_by=f"{_TESTS}/test_carrying.py::test_an_export_loaded_again_has_its_agreement",
        )
        for name in ("as_dataset", "as_streaming_dataset")
    ),
    _looks("datasets.arrow_dataset.Dataset.push_to_hub", _PUSHED),
    _looks("datasets.dataset_dict.DatasetDict.push_to_hub", _PUSHED),
    _looks("datasets.iterable_dataset.IterableDataset.push_to_hub", _PUSHED, ">=4"),
    _looks("datasets.dataset_dict.IterableDatasetDict.push_to_hub", _PUSHED, ">=4"),
    *(
        _looks(f"datasets.arrow_dataset.Dataset.{name}", _WRITTEN)
        for name in ("to_csv", "to_json", "to_parquet", "save_to_disk")
    ),
    _looks("datasets.dataset_dict.DatasetDict.save_to_disk", _WRITTEN),
    *(
        _looks(f"datasets.iterable_dataset.IterableDataset.{name}", _WRITTEN, ">=4")
        for name in ("to_csv", "to_json")
    ),
)
"""Every change that an import of ours makes to another library."""

__all__ = ["HOOKS", "Hook", "register"]
