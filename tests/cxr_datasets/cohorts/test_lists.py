"""Lists of ids, and of splits, in each form in which people write them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cxr_datasets.cohorts.lists import read_ids, read_splits
from cxr_datasets.errors import OptionError, TableError
from mimic_cxr_jpg.ids import ID_FORMS

A, B, C = (f"{letter * 8}-0a1b2c3d-0a1b2c3d-0a1b2c3d-0a1b2c3d" for letter in "abc")
STUDIES = [50_000_001, 50_000_002, 50_000_003]
SPLITS = {"train": STUDIES[:1], "validation": STUDIES[1:2], "test": STUDIES[2:]}


def ids(value: Any) -> tuple[str, list[Any]]:
    listed = read_ids(value, ID_FORMS)
    return listed.form.column, listed.ids.to_pylist()


def splits(value: Any) -> dict[Any, str]:
    listed = read_splits(value, ID_FORMS)
    assert listed.splits is not None
    return dict(zip(listed.ids.to_pylist(), listed.splits.to_pylist(), strict=True))


def written(folder: Path, content: Any, name: str = "ids") -> str:
    file = folder / name
    text = content if isinstance(content, (str, bytes)) else json.dumps(content)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(file)


TEXTS = {
    "a line each": "s50000001\ns50000002\ns50000003\n",
    "comments and blanks": "# my cohort\n\n50000002\n  50000001 \r\n\n#50000009\n50000003",
    "a header": "study_id\n50000001\n50000003\n50000002\n",
    "quotes": '"study_id"\n"50000001"\n"50000003"\n"50000002"\n',
    "CSV": "note,Study ID\nx,50000001\n,50000002\ny,50000003\n",
    "CSV with a comment": "# from us\nnote,study_id\nx,50000001\n,50000002\ny,50000003\n",
    "texts of several lines": 'study_id,text\n50000001,"one\ntwo, three"\n50000002,\n50000003,""\n',
    "no header": "50000001,x\n50000002,y\n50000003,z\n",
    "tabs": "study_id\tnote\n50000001\tx\n50000002\ty\n50000003\tz\n",
    "semicolons": "study_id;note\n50000001;x\n50000002;y\n50000003;z\n",
    "floats": "study_id,note\n50000001.0,x\n50000002.0,y\n50000003.0,z\n",
    "the mark of UTF-8": "\ufeffstudy_id,note\n50000001,x\n50000002,y\n50000003,z\n",
    "ends of Windows": "study_id,note\r\n50000001,x\r\n50000002,y\r\n50000003,z\r\n",
    "coarser columns": "subject_id,study_id\n10000001,50000001\n1,50000002\n1,50000003\n",
}


@pytest.mark.parametrize("form", TEXTS)
@pytest.mark.parametrize("packed", [False, True])
def test_studies_are_read_from_text(tmp_path: Path, form: str, packed: bool) -> None:
    text = TEXTS[form].encode()
    assert ids(written(tmp_path, gzip.compress(text) if packed else text)) == ("study_id", STUDIES)


JSON = {
    "list": STUDIES,
    "texts": [f"s{id}" for id in STUDIES],
    "both": [STUDIES[0], *(str(id) for id in STUDIES[1:])],
    "objects": [{"study_id": id, "subject_id": 10_000_001} for id in STUDIES],
    "column": {"study_id": STUDIES},
    "columns": {"note": ["", "x", "y"], "study_id": STUDIES},
    "splits": {"train": STUDIES[:1], "val": [], "test": STUDIES[1:]},
    "by id": {str(id): {"image_path": ["/a", "/b"], "subject_id": 10_000_001} for id in STUDIES},
    "ids with splits": {str(id): "train" for id in STUDIES},
}


@pytest.mark.parametrize("form", JSON)
def test_studies_are_read_from_json_and_from_python(tmp_path: Path, form: str) -> None:
    assert ids(written(tmp_path, JSON[form])) == ("study_id", STUDIES)
    assert ids(JSON[form]) == ("study_id", STUDIES)


@pytest.mark.parametrize(
    "value",
    [
        tuple(STUDIES), set(STUDIES), np.array(STUDIES), pd.Series(STUDIES), pa.array(STUDIES),
        pa.chunked_array([STUDIES[:1], STUDIES[1:]]), iter(STUDIES), np.array(STUDIES, float),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_any_list_of_python_is_taken(value: Any) -> None:
    assert ids(value) == ("study_id", STUDIES)


def test_a_data_frame_is_taken_as_its_file_is(tmp_path: Path) -> None:
    frame = pd.DataFrame({"note": "x", "study_id": STUDIES, "split": list(SPLITS)})
    frame.to_csv(tmp_path / "frame.csv")
    assert ids(frame) == ids(str(tmp_path / "frame.csv")) == ("study_id", STUDIES)
    assert splits(frame) == splits(str(tmp_path / "frame.csv"))


def test_one_id_is_a_list_of_one() -> None:
    assert ids(STUDIES[0]) == ("study_id", STUDIES[:1])


def test_each_kind_is_told_by_its_pattern() -> None:
    assert ids([f"{A}.dcm", f"files/p10/p10000001/s50000001/{B}.jpg"]) == ("image_id", [A, B])
    assert ids(["p10000001", 10_000_002]) == ("subject_id", [10_000_001, 10_000_002])


ANNOTATION = {
    "train": [{"id": A, "study_id": 50_000_001, "subject_id": 10_000_001, "report": "x " * 999,
               "image_path": [f"p10/p10000001/s50000001/{A}.jpg"], "split": "train"}],
    "val": [{"id": B, "study_id": 50_000_001, "subject_id": 10_000_001, "report": "y",
             "image_path": [f"p10/p10000001/s50000001/{B}.jpg"], "split": "val"}],
    "test": [],
}  # fmt: skip


def test_annotation_json_of_r2gen_lists_images(tmp_path: Path) -> None:
    file = written(tmp_path, ANNOTATION, "annotation.json")
    assert ids(file) == ("image_id", [A, B])
    assert splits(file) == {A: "train", B: "validation"}


def test_a_list_of_rexrank_is_of_studies(tmp_path: Path) -> None:
    listed = {str(id): {"split": "test", "report": "x", "image_path": ["/a", "/b"],
                        "subject_id": 10_000_001} for id in STUDIES}  # fmt: skip
    assert splits(written(tmp_path, listed)) == dict.fromkeys(STUDIES, "test")


@pytest.mark.parametrize(
    "content",
    [
        SPLITS,
        {name: [{"study_id": f"s{id}"} for id in some] for name, some in SPLITS.items()},
        {id: name for name, some in SPLITS.items() for id in some},
        [{"study_id": id, "split": name} for name, some in SPLITS.items() for id in some],
        {"study_id": STUDIES, "split": list(SPLITS)},
        "study_id,split\n50000001,train\n50000002,validation\n50000003,test\n",
        "subset,study_id\nTraining,50000001\nval,50000002\nTEST,50000003\n",
        "50000001,train\n50000002,dev\n50000003,testing\n",
        "train\ts50000001\nvalid\ts50000002\ntest\ts50000003\n",
    ],
)
def test_splits_are_read_in_each_form(tmp_path: Path, content: Any) -> None:
    assert splits(written(tmp_path, content)) == dict(zip(STUDIES, SPLITS, strict=True))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *((name, "train") for name in ("train", "Train", "training")),
        *((name, "validation") for name in ("val", "valid", "validate", "validation", "dev")),
        *((name, "test") for name in ("test", "testing", " TEST ")),
    ],
)
def test_each_name_of_a_split_is_ours(name: str, split: str) -> None:
    assert splits({name: STUDIES}) == dict.fromkeys(STUDIES, split)


def test_the_same_ids_in_any_form_and_order_have_one_digest(tmp_path: Path) -> None:
    told = {read_ids(written(tmp_path, text), ID_FORMS).told for text in TEXTS.values()}
    told |= {read_ids(value, ID_FORMS).told for value in (STUDIES[::-1], [*STUDIES, *STUDIES])}
    assert len(told) == 1
    (text,) = told
    assert text.startswith("3 studies, digest ")
    assert read_ids(STUDIES[:2], ID_FORMS).told != text
    assert read_splits(dict.fromkeys(STUDIES, "train"), ID_FORMS).told != text
    moved = [dict.fromkeys(STUDIES, name) for name in ("train", "test")]
    assert len({read_splits(one, ID_FORMS).told for one in moved}) == 2


def test_ids_that_repeat_count_once_and_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    assert ids([*STUDIES, "s50000001"]) == ("study_id", STUDIES)
    assert caplog.messages == ["1 of 4 entries of ids repeat an id, and count once"]
    assert splits([{"study_id": STUDIES[0], "split": "train"}] * 3) == {STUDIES[0]: "train"}


REFUSED = {
    "mixed kinds": (["s50000001", "p10000001"], "entry 2 is p10000001, an id of a patient"),
    "no id": (["s50000001", "not one"], "entry 2 is a text of 7 characters"),
    "nulls": (["s50000001", None], "entry 2 has no id"),
    "nothing": ([], "found an empty one"),
    "no list": (object(), "found a value of type object"),
    "other columns": ({"uid": [1], "x": [2]}, "Expected a column image_id, study_id, subject_id"),
    "texts": (
        ["the heart is large"],
        "nothing that is written as an id. Expected the id of an image like",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_lists_of_python_are_refused(case: str) -> None:
    value, mention = REFUSED[case]
    with pytest.raises(OptionError) as caught:
        read_ids(value, ID_FORMS)
    assert mention in str(caught.value)
    assert "heart" not in str(caught.value)


FILES: dict[str, tuple[Any, str]] = {
    "empty": ("", "lists no id"),
    "comments only": ("# nothing\n\n", "lists no id"),
    "no ids": ("the heart is large\n", "holds nothing that is written as an id"),
    "a page": ("<!doctype html><html><body>Log in</body></html>", "is a page"),
    "a workbook": (b"PK\x03\x04\x14\0", "Save the list as CSV"),
    "no text": (b"\xff\xfe\x00s", "is no text in UTF-8"),
    "JSON that was cut": ('{"train": [1, 2', "begins as JSON does and is none"),
    "JSON of another form": ('{"a": {"b": 1}, "c": 2}', "is JSON of another form"),
    "gzip that was cut": (gzip.compress(b"s50000001\n" * 999)[:-12], "is cut off"),
    "two columns of a name": ("study_id,study_id\n1,2\n", "'study_id' more than once"),
    "rows of other lengths": ("study_id,x\n50000001,2\n50000002\n", "cannot be read as CSV"),
    "an empty cell": ("study_id,x\n50000001,2\n,3\n", "entry 2 has no id"),
    "mixed kinds": ("study_id,x\n50000001,2\n10000001,3\n", "entry 2 is 10000001, an id of a pa"),
    "a quote left open": (
        'study_id,x\n50000001,"the heart\n50000002,\n50000003,c\n', "a quote that is opened",
    ),
    "one key twice": (
        '{"50000001": {"split": "train"}, "50000001": {"split": "test"}}', "one name twice",
    ),
    "one split twice": ('{"train": [50000001], "train": [50000002]}', "one name twice"),
    "JSON Lines": ('{"study_id": 50000001}\n{"study_id": 50000002}\n', "as JSON Lines have"),
    "only other names": ("a,id of it\n1,2\n", "holds nothing that is written as an id"),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_wrong_files_are_refused(tmp_path: Path, case: str) -> None:
    content, mention = FILES[case]
    file = written(tmp_path, content, "list")
    with pytest.raises(TableError) as caught:
        read_ids(file, ID_FORMS)
    assert str(caught.value).startswith(file)
    assert mention in str(caught.value)
    assert "heart" not in str(caught.value)


def test_a_file_that_is_not_there_or_closed_is_told(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"ids=.*none\.csv does not exist. .*as a list"):
        read_ids(str(tmp_path / "none.csv"), ID_FORMS)
    with pytest.raises(OptionError, match=r"is a folder. Give the path of a file"):
        read_ids(str(tmp_path), ID_FORMS)


@pytest.mark.parametrize(
    ("content", "mention"),
    [
        ("study_id\n50000001\n", "gives no splits: expected a column split"),
        ([50_000_001], "gives no splits"),
        ("study_id,split\n50000001,holdout\n", "entry 1 has a text of 7 characters as its split"),
        ("study_id,split\n50000001,\n", "entry 1 has nothing as its split"),
        ("study_id,split\n50000001,train\ns50000001,test\n",
         "study 50000001 is in two splits, train in entry 1 and test in entry 2"),
        ({"train": [50_000_001], "": [50_000_002]}, "entry 2 has a text of 0 characters as its sp"),
    ],
)  # fmt: skip
def test_wrong_splits_are_refused(tmp_path: Path, content: Any, mention: str) -> None:
    with pytest.raises(TableError) as caught:
        read_splits(written(tmp_path, content), ID_FORMS)
    assert mention in str(caught.value)


def test_a_large_list_takes_no_long_time(tmp_path: Path) -> None:
    import time

    names = [f"{number:08x}-0a1b2c3d-0a1b2c3d-0a1b2c3d-0a1b2c3d" for number in range(300_000)]
    file = written(tmp_path, "\n".join(["dicom_id,split", *(f"{name},train" for name in names)]))
    start = time.process_time()
    assert len(read_splits(file, ID_FORMS).ids) == 300_000
    assert time.process_time() - start < 10
