"""The index that a dataset's package gives is checked before anything is made of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest

import indiana_cxr
from cxr_datasets.builder import Column, Release
from cxr_datasets.builder.index_check import check_complete, check_index
from cxr_datasets.columns import LABELS, SECTIONS, SPLITS
from cxr_datasets.errors import TableError
from cxr_datasets.testing import datasets_under
from indiana_cxr.release import IndianaRelease

ROWS = 4
TEXTS = ("report", *SECTIONS)
LABEL_TYPE = pa.struct(dict.fromkeys(LABELS, pa.int8()))
OWN = (
    Column("weight", datasets.Value("float32"), "study"),
    Column("tags", [datasets.Value("string")], "image"),
)


class OtherRelease(Release):
    """A release whose index has its texts."""

    def stamps(self) -> list[Any]:
        return []

    def index(self, cache: str) -> pa.Table:
        raise NotImplementedError


class LateTexts(OtherRelease):
    """A release that adds them later."""

    def add_texts(self, rows: pa.Table) -> pa.Table:
        return rows


OtherRelease.__module__ = LateTexts.__module__ = "other_cxr.release"


def index(**changed: Any) -> pa.Table:
    """A right index; a column given as None is left out, another replaces its column."""
    columns = {
        "image_id": pa.array(["a", "b", "c", "d"]),
        "study_id": pa.array([1, 1, 2, 3]),
        "subject_id": pa.array([7, 7, 7, 8]),
        "view": pa.array([0, 1, 2, 3]),
        **{name: pa.array(["text", None, None, "text"]) for name in TEXTS},
        "labels": pa.nulls(ROWS, LABEL_TYPE),
        "weight": pa.array([1.5, None, None, None], pa.float32()),
        "tags": pa.array([["x"], [], None, None], pa.list_(pa.string())),
        "path": pa.array(["a.png", "b.png", "c.png", "d.png"]),
        "split": pa.array(["train", "train", "validation", "test"]),
        "rank": pa.array([0, 1, 2, 3]),
    } | changed
    return pa.table({name: column for name, column in columns.items() if column is not None})


def refused(found: pa.Table, *parts: str, release: Release | None = None) -> None:
    """Check that an index is refused by a message that has everything it must say."""
    with pytest.raises(TableError) as caught:
        check_index(release or OtherRelease(), found, OWN)
    for part in ("other_cxr.release", *parts):
        assert part in str(caught.value)
    assert re.search(r"expected .+ found .+\. .+ in \S+\.index\(\)", str(caught.value))


def test_a_right_index_passes() -> None:
    check_index(OtherRelease(), index(), OWN)
    check_index(OtherRelease(), index(extra=pa.nulls(ROWS)), OWN)
    check_index(OtherRelease(), index(rank=pa.array([0, 1, 0, 1], pa.uint8())), OWN)
    chunks = pa.chunked_array([["a"], [], ["b", "c", "d"]])
    check_index(OtherRelease(), index(image_id=chunks), OWN)


def test_what_a_dataset_does_not_tell_is_null() -> None:
    nothing_told = [dict.fromkeys(LABELS)] * ROWS
    part_told = [{**dict.fromkeys(LABELS), "Edema": 1}, None, *nothing_told[2:]]
    for labels in (nothing_told, part_told):
        check_index(OtherRelease(), index(labels=pa.array(labels, LABEL_TYPE)), OWN)
    nulls = pa.nulls(ROWS, pa.string())
    check_index(OtherRelease(), index(report=nulls, findings=nulls), OWN)


def test_a_study_may_be_in_no_split() -> None:
    check_index(OtherRelease(), index(split=pa.array(["train", None, None, None])), OWN)


def test_texts_may_come_later_where_the_release_adds_them() -> None:
    found = index(**dict.fromkeys((*TEXTS, "tags")))
    check_index(LateTexts(), found, OWN)
    refused(found, "'report'")


@pytest.mark.parametrize(
    "name",
    ["image_id", "study_id", "subject_id", "view", "labels", "path", "split", "rank", "weight"],
)
def test_a_missing_column_is_named_among_those_there_are(name: str) -> None:
    refused(index(**{name: None}), f"expected a column {name!r}", "'findings'", "Add")


@pytest.mark.parametrize(
    ("name", "column", "expected", "found", "step"),
    [
        ("study_id", pa.array(list("abcd")), "int64", "string", "number_ids"),
        ("subject_id", pa.array([1, 2, 3, 4], pa.int32()), "int64", "int32", "Cast"),
        ("image_id", pa.array([1, 2, 3, 4]), "string", "int64", "Cast"),
        ("view", pa.array(["frontal"] * ROWS), "int64", "string", "columns.VIEWS"),
        ("rank", pa.array([0.5] * ROWS), "integer", "double", "Cast"),
        ("weight", pa.array([1.0] * ROWS), "float", "double", "Cast"),
        ("tags", pa.array(["x"] * ROWS), "list<", "string", "Cast"),
        ("labels", pa.nulls(ROWS), "14 int8", "null", "not tell"),
        (
            "labels",
            pa.array([{"Edema": 1}] * ROWS, pa.struct({"Edema": pa.int8()})),
            "14 int8",
            "struct<Edema: int8>",
            "not tell",
        ),
    ],
)
def test_a_column_of_another_type_is_named_with_both(
    name: str, column: pa.Array, expected: str, found: str, step: str
) -> None:
    refused(index(**{name: column}), repr(name), expected, found, step)


@pytest.mark.parametrize("name", ["image_id", "study_id", "subject_id", "view", "path", "rank"])
def test_a_null_where_none_may_be_is_counted_and_placed(name: str) -> None:
    column = index()[name].to_pylist()
    column[1] = column[2] = None
    found = index(**{name: pa.array(column, index().schema.field(name).type)})
    refused(found, repr(name), "2 of 4 rows", "first in row 2")


def test_an_id_that_stands_twice_is_named_with_its_count() -> None:
    refused(
        index(image_id=pa.array(["a", "b", "c", "b"])),
        "'image_id'",
        "a text of 1 character in 2 rows",
    )


@pytest.mark.parametrize("wrong", ["valid", "Train", "", "all", "x" * 500])
def test_an_unknown_split_is_an_error_and_no_lost_rows(wrong: str) -> None:
    found = index(split=pa.array(["train", wrong, wrong, "test"]))
    refused(found, "'split'", *map(repr, SPLITS), f"of {len(wrong)} character", "2 rows", "Map")
    with pytest.raises(TableError) as caught:
        check_index(OtherRelease(), found, OWN)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("wrong", [-1, 4])
def test_a_view_that_does_not_exist_is_an_error(wrong: int) -> None:
    refused(index(view=pa.array([0, 1, wrong, 2])), "'view'", "0 to 3", str(wrong))


def test_an_index_without_rows_is_an_error() -> None:
    refused(index().slice(0, 0), "row")


def test_what_is_no_table_is_an_error() -> None:
    refused([{"image_id": "a"}], "pyarrow.Table", "list")  # type: ignore[arg-type]


def test_a_text_that_the_release_did_not_add_is_named() -> None:
    schema = index().drop_columns(["split", "rank"]).schema
    check_complete(LateTexts(), index(), schema)
    with pytest.raises(TableError, match=r"other_cxr.*'impression'.*LateTexts\.add_texts\(\)"):
        check_complete(LateTexts(), index(impression=None), schema)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_wrong_index_is_refused_before_anything_is_written(
    indiana_release: Path, cache: str, streaming: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = IndianaRelease.index

    def wrong(self: IndianaRelease, cache: str) -> pa.Table:
        found = right(self, cache)
        splits = pa.array(["dev"] * found.num_rows)
        return found.set_column(found.schema.get_field_index("split"), "split", splits)

    monkeypatch.setattr(IndianaRelease, "index", wrong)
    with pytest.raises(TableError, match=r"indiana_cxr.*'split'.*found a text of 3 characters"):
        datasets.load_dataset(
            indiana_cxr.__name__, data_dir=str(indiana_release), cache_dir=cache,
            streaming=streaming,
        )  # fmt: skip
    assert not datasets_under(cache)


@pytest.mark.parametrize("options", [{}, {"streaming": True}, {"image_size": 16}])
def test_ids_need_not_be_the_names_of_files_and_no_label_need_be_told(
    indiana_release: Path, cache: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = IndianaRelease.index

    def other(self: IndianaRelease, cache: str) -> pa.Table:
        found = right(self, cache)
        columns = {name: found[name] for name in found.column_names}
        columns["image_id"] = pa.array([f"image/{n} of all" for n in range(found.num_rows)])
        columns["labels"] = pa.nulls(found.num_rows, LABEL_TYPE)
        return pa.table(columns)

    monkeypatch.setattr(IndianaRelease, "index", other)
    for config, name in (("images", "image_id"), ("studies", "image_ids")):
        rows = datasets.load_dataset(
            indiana_cxr.__name__, config, data_dir=str(indiana_release), cache_dir=cache,
            split="train", **options,
        )  # fmt: skip
        ids = [row[name] for row in rows]
        if config == "studies":
            ids = [image for study in ids for image in study]
        assert len(ids) > 60
        assert sorted(ids) == sorted(f"image/{n} of all" for n in range(len(ids)))
        assert all(row["labels"] in (None, dict.fromkeys(LABELS)) for row in rows)
