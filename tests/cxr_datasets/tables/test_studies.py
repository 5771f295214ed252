"""Rows of images become rows of studies, and nothing is lost, mixed or reordered on the way."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
import pytest

from cxr_datasets.tables.studies import filter_lists, group_by_study


def table(*rows: tuple[int, str, int, str]) -> tuple[pa.Table, pa.Array]:
    study, image, rank, report = zip(*rows, strict=True) if rows else ((), (), (), ())
    columns = {
        "study_id": pa.array(study, pa.int64()),
        "image_id": pa.array(image, pa.string()),
        "report": pa.array(report, pa.string()),
    }
    return pa.table(columns), pa.array(rank, pa.int64())


def grouped(*rows: tuple[int, str, int, str]) -> list[dict[str, Any]]:
    images, rank = table(*rows)
    return group_by_study(images, ["image_id"], rank).to_pylist()


def test_images_come_by_rank_and_then_in_their_order() -> None:
    (study,) = grouped((7, "c", 2, "r"), (7, "b", 1, "r"), (7, "a", 2, "r"), (7, "d", 0, "r"))
    assert study == {"study_id": 7, "image_ids": ["d", "b", "c", "a"], "report": "r"}


def test_studies_come_in_the_order_they_first_appear_even_when_mixed() -> None:
    studies = grouped((9, "a", 1, "x"), (3, "b", 0, "y"), (9, "c", 0, "x"), (5, "d", 0, "z"))
    assert [(s["study_id"], s["image_ids"], s["report"]) for s in studies] == [
        (9, ["c", "a"], "x"),
        (3, ["b"], "y"),
        (5, ["d"], "z"),
    ]


def test_no_images_are_no_studies() -> None:
    images, rank = table()
    studies = group_by_study(images, ["image_id"], rank)
    assert studies.num_rows == 0
    assert studies.schema.field("image_ids").type == pa.list_(pa.string())


def test_nulls_and_structs_stay_what_they_are() -> None:
    images = pa.table(
        {
            "study_id": [1, 1, 2],
            "view": pa.array([None, "PA", None]),
            "labels": pa.array([None, None, {"Edema": None}], pa.struct({"Edema": pa.int8()})),
        }
    )
    studies = group_by_study(images, ["view"], pa.array([1, 0, 0])).to_pylist()
    assert studies == [
        {"study_id": 1, "views": ["PA", None], "labels": None},
        {"study_id": 2, "views": [None], "labels": {"Edema": None}},
    ]


def test_tables_of_several_chunks_are_one() -> None:
    images, rank = table((1, "a", 1, "x"), (2, "b", 0, "y"), (1, "c", 0, "x"))
    chunked = pa.concat_tables([images.slice(0, 1), images.slice(1)])
    assert group_by_study(chunked, ["image_id"], rank).equals(
        group_by_study(images, ["image_id"], rank)
    )


def test_any_table_groups_as_a_plain_loop_groups_it() -> None:
    rng = random.Random(0)
    for _ in range(50):
        rows = [
            (rng.randrange(50_000_000, 50_000_020), f"{number}", rng.randrange(4), "")
            for number in range(rng.randrange(1, 60))
        ]
        expected: dict[int, list[tuple[int, int, str]]] = {}
        for number, (study, image, rank, _) in enumerate(rows):
            expected.setdefault(study, []).append((rank, number, image))
        assert [(row["study_id"], row["image_ids"]) for row in grouped(*rows)] == [
            (study, [image for *_, image in sorted(images)]) for study, images in expected.items()
        ]


# --- filter_lists ---------------------------------------------------------------------------------


def some_studies() -> pa.Table:
    return pa.table(
        {
            "study_id": [0, 1, 2, 3],
            "image_ids": [["z"], ["a", "b", "c"], ["d"], ["e", "f"]],
            "views": [[9], [1, 2, 3], [4], [None, 6]],
        }
    )


def test_images_taken_out_leave_all_lists_and_studies_without_one_go() -> None:
    keep = pa.array([True, False, True, False, False, True, False])
    kept = filter_lists(some_studies(), ["image_ids", "views"], keep)
    assert [tuple(row.values()) for row in kept.to_pylist()] == [
        (0, ["z"], [9]),
        (1, ["b"], [2]),
        (3, ["e"], [None]),
    ]


def test_a_slice_of_studies_is_filtered_by_its_own_images() -> None:
    keep = pa.array([False, True, False, False, True, False])
    kept = filter_lists(some_studies().slice(1), ["image_ids", "views"], keep)
    assert [tuple(row.values()) for row in kept.to_pylist()] == [
        (1, ["b"], [2]),
        (3, ["e"], [None]),
    ]


@pytest.mark.parametrize("kept", [True, False])
def test_all_or_none_may_be_kept(kept: bool) -> None:
    found = filter_lists(some_studies(), ["image_ids", "views"], pa.array([kept] * 7))
    assert found.to_pylist() == (some_studies().to_pylist() if kept else [])
