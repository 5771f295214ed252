"""`collate_studies` pads studies to one batch, takes images and reports too, also in workers."""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

from cxr_datasets.columns import LABELS, VIEWS
from cxr_datasets.errors import OptionError
from cxr_datasets.labels import COMPETITION_5, U_ONES, label_matrix, to_targets
from cxr_datasets.training import ImageTransform, collate_studies
from tests.helpers import load

torch = pytest.importorskip("torch")

SIZE = 32
TRANSFORM = ImageTransform(SIZE)
UNKNOWN = VIEWS.index("unknown")


def row(views: list[int], number: int = 0, **more: Any) -> dict[str, Any]:
    """A row of studies whose images are told apart by their values."""
    count = len(views)
    pixels = np.arange(count, dtype=np.float32).reshape(-1, 1, 1, 1) + 10 * number
    return {
        "pixel_values": np.broadcast_to(pixels, (count, 1, 2, 2)),
        "image_mask": np.ones(count, bool),
        "valid_box": np.full((count, 4), number, np.float32),
        "views": views,
        "image_ids": [f"{number}-{image}" for image in range(count)],
        "study_id": number,
        **more,
    }


ROWS = [row([1, 0, 0, 3], 0), row([1], 1), row([], 2), row([2, 1], 3)]


def of_images(batch: dict[str, Any]) -> list[list[float]]:
    return batch["pixel_values"][:, :, 0, 0, 0].tolist()


def test_studies_are_padded_to_the_longest_and_the_mask_says_what_is_image() -> None:
    batch = collate_studies()(ROWS)
    assert batch["pixel_values"].shape == (4, 4, 1, 2, 2)
    assert of_images(batch) == [[0, 1, 2, 3], [10, 0, 0, 0], [0, 0, 0, 0], [30, 31, 0, 0]]
    assert batch["image_mask"].tolist() == [
        [True] * 4, [True, False, False, False], [False] * 4, [True, True, False, False],
    ]  # fmt: skip
    assert batch["views"].tolist() == [
        [1, 0, 0, 3], [1] + [UNKNOWN] * 3, [UNKNOWN] * 4, [2, 1, UNKNOWN, UNKNOWN],
    ]  # fmt: skip
    assert batch["valid_box"].shape == (4, 4, 4)
    assert batch["study_id"].tolist() == [0, 1, 2, 3]
    assert batch["image_ids"][3] == ["3-0", "3-1"]


def test_order_and_most_images_choose_which_of_them() -> None:
    batch = collate_studies(2, order=("frontal", "lateral"))(ROWS)
    assert of_images(batch) == [[1, 2], [10, 0], [0, 0], [31, 30]]
    assert batch["views"].tolist() == [[0, 0], [1, UNKNOWN], [UNKNOWN] * 2, [1, 2]]
    assert batch["image_ids"] == [["0-1", "0-2"], ["1-0"], [], ["3-1", "3-0"]]
    assert of_images(collate_studies(1)(ROWS)) == [[0], [10], [0], [30]]


def test_other_lists_of_a_row_stay_and_can_follow() -> None:
    rows = [row([1, 0], 0, heights=[9, 8]), row([1], 1, heights=[7])]
    batch = collate_studies(order=("frontal",))(rows)
    assert batch["heights"] == [[9, 8], [7]]
    assert batch["image_index"].tolist() == [[1, 0], [0, -1]]
    assert "image_index" not in collate_studies()(ROWS)


def test_null_images_stay_out_of_the_mask() -> None:
    holed = row([0, 1])
    holed["image_mask"] = np.array([False, True])
    batch = collate_studies()([holed, row([0], 1)])
    assert batch["image_mask"].tolist() == [[False, True], [True, False]]


def test_studies_without_any_image_make_a_batch() -> None:
    batch = collate_studies()([row([]), row([], 1)])
    assert batch["pixel_values"].shape == (2, 0, 1, 2, 2)


FIVE = partial(to_targets, names=COMPETITION_5, **U_ONES)


@pytest.mark.parametrize("targets", [to_targets, FIVE])
def test_labels_become_targets_as_structs_and_as_arrays(
    targets: Any, images: datasets.Dataset
) -> None:
    expected = targets(images.select(range(8)))
    structs = images.select_columns("labels").to_list()[:8]
    arrays = [{"labels": labels} for labels in label_matrix(images.select(range(8)))]
    for rows in (structs, arrays):
        batch = collate_studies(targets=targets)(rows)
        assert np.array_equal(batch["labels"], expected.values)
        assert np.array_equal(batch["labels_mask"], expected.mask)
    assert len({name for name, _ in zip(LABELS, expected.values[0], strict=False)}) > 1


def test_labels_stay_as_they_are_if_no_targets_are_wanted(images: datasets.Dataset) -> None:
    rows = TRANSFORM.on(images.select_columns(["image", "labels"])).__getitems__([0, 1])
    batch = collate_studies(targets=None)(rows)
    expected = label_matrix(images.select([0, 1]))
    assert np.array_equal(batch["labels"], expected, equal_nan=True)
    assert "labels_mask" not in batch


def test_targets_without_a_mask_are_labels_alone(images: datasets.Dataset) -> None:
    """For a model whose `forward` takes no mask."""
    rows = [{"labels": labels} for labels in label_matrix(images)]
    batch = collate_studies(targets=lambda labels: FIVE(labels).values)(rows)
    assert list(batch) == ["labels"]
    assert np.array_equal(batch["labels"], FIVE(images).values)


def test_texts_are_lists_with_none_where_there_is_none() -> None:
    batch = collate_studies()(
        [{"impression": "clear", "age": 3}, {"impression": None, "age": None}]
    )
    assert batch == {"impression": ["clear", None], "age": [3, None]}


def test_rows_of_images_stack(images: datasets.Dataset) -> None:
    rows = TRANSFORM.on(images)
    batch = collate_studies()(rows.__getitems__([0, 1, 2]))
    assert batch["pixel_values"].shape == (3, 1, SIZE, SIZE)
    assert batch["image_mask"].tolist() == [True] * 3
    assert batch["view"].tolist() == images["view"][:3]
    assert batch["report"] == images["report"][:3]
    assert batch["labels"].shape == (3, 14)


def test_rows_of_reports_stack(small_release: Path, built_cache: Path) -> None:
    reports = load(small_release, built_cache, "reports").select_columns(
        ["study_id", "impression", "labels"]
    )
    (batch,) = torch.utils.data.DataLoader(reports, len(reports), collate_fn=collate_studies())
    assert batch["study_id"].tolist() == list(reports["study_id"])
    assert batch["impression"] == list(reports["impression"])
    assert np.array_equal(batch["labels"], to_targets(reports).values)


@pytest.mark.parametrize("options", [
    {"order": "frontal"},
    {"max_images": 0}, {"max_images": True}, {"max_images": "2"}, {"order": ("frontal", "PA")},
])  # fmt: skip
def test_options_that_do_not_exist_are_named(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(OptionError, match=name):
        collate_studies(**options)


def test_no_rows_make_no_batch() -> None:
    with pytest.raises(OptionError, match="no rows"):
        collate_studies()([])


def test_order_without_views_is_named() -> None:
    bare = {"pixel_values": np.zeros((2, 1, 2, 2), np.float32)}
    with pytest.raises(OptionError, match="views"):
        collate_studies(order=("frontal",))([bare])


def test_it_can_be_pickled() -> None:
    collate = pickle.loads(pickle.dumps(collate_studies(2, ("lateral",))))
    assert of_images(collate(ROWS)) == of_images(collate_studies(2, ("lateral",))(ROWS))


@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.thorough)])
def test_workers_of_a_data_loader_give_what_the_main_process_gives(
    start: str, studies: datasets.Dataset, one_thread: None
) -> None:
    rows = TRANSFORM.on(studies.select_columns(["images", "views", "labels", "study_id"]))
    collate = collate_studies(3, ("lateral", "frontal"))
    loader = partial(torch.utils.data.DataLoader, rows, 4, collate_fn=collate)
    here = list(loader())
    there = list(loader(num_workers=2, multiprocessing_context=start))
    assert [batch["study_id"].tolist() for batch in there] == [
        batch["study_id"].tolist() for batch in here
    ]
    for batch, other in zip(here, there, strict=True):
        assert batch.keys() == other.keys()
        for name in batch:
            assert torch.equal(batch[name], other[name]), name


def test_the_default_collation_stacks_rows_of_images(images: datasets.Dataset) -> None:
    rows = TRANSFORM.on(images.select_columns(["image", "image_id", "view", "labels"]))
    batch = next(iter(torch.utils.data.DataLoader(rows, 5)))
    assert batch["pixel_values"].shape == (5, 1, SIZE, SIZE)
    assert batch["labels"].shape == (5, 14)
    assert batch["image_id"] == images["image_id"][:5]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({"a": [1]}, "a list of rows is wanted"),
        ([{"a": 1}, {"b": 1}], r"differs from the first in its columns: \['a', 'b'\]"),
        ([row([0]), {**row([0]), "pixel_values": np.zeros((1, 3, 2, 2))}], "several shapes"),
        ([{**row([0, 1]), "views": [0]}], "2 images and in 'views' 1 values"),
        ([{**row([0]), "image_ids": None}], "1 images and in 'image_ids' null"),
        ([{"labels": np.zeros(13)}], "labels of a row have shape"),
    ],
)
def test_rows_that_do_not_fit_together_are_refused(rows: Any, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        collate_studies()(rows)


def test_an_order_and_targets_of_other_kinds_are_refused() -> None:
    with pytest.raises(OptionError, match="order=5 is no sequence"):
        collate_studies(order=5)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="targets='ones' cannot be called"):
        collate_studies(targets="ones")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="targets gave a NoneType"):
        collate_studies(targets=lambda labels: None)([{"labels": None}])
