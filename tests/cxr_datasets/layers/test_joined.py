"""Tables of other people beside the rows: joined by ids, in every config, counted both ways."""

from __future__ import annotations

import datetime
import decimal
import json
import logging
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from cxr_datasets.cli import main
from cxr_datasets.errors import OptionError, TableError
from cxr_datasets.layers import Layer
from cxr_datasets.packages import builder_class
from tests.cxr_datasets.layers.material import Ids, write_csv, write_json_lines

Load = Callable[..., Any]


def test_one_row_a_key_gives_a_column_for_each_of_its_own(
    load: Load, images: list[Ids], tmp_path: Path
) -> None:
    table = write_csv(
        tmp_path / "quality.csv", ["dicom_id", "grade", "score", "is good", "word"],
        [(one.image, at, at / 4, at % 2 == 0, f"w{at}") for at, one in enumerate(images[:9])],
    )  # fmt: skip
    rows = load({"q": str(table)})
    expected = {one.image: (at, at / 4, at % 2 == 0, f"w{at}")
                for at, one in enumerate(images[:9])}  # fmt: skip
    types = {name: rows.features[name].dtype
             for name in ("q_grade", "q_score", "q_is good", "q_word")}  # fmt: skip
    assert types == {"q_grade": "int64", "q_score": "float64", "q_is good": "bool",
                     "q_word": "string"}  # fmt: skip
    found = {row["image_id"]: tuple(row[name] for name in types)
             for row in rows.remove_columns("image")}  # fmt: skip
    assert found == {one.image: expected.get(one.image, (None,) * 4) for one in images}
    assert rows.column_names[-1] == "path"


def test_types_of_parquet_are_kept(load: Load, images: list[Ids], tmp_path: Path) -> None:
    day = datetime.date(2180, 5, 6)
    time = datetime.datetime(2180, 5, 6, 8, 5, 56, 875_000)
    columns: dict[str, tuple[pa.DataType, Any]] = {
        "small": (pa.int8(), -7),
        "counted": (pa.uint16(), 65_535),
        "short": (pa.float32(), 0.25),
        "day": (pa.date32(), day),
        "time": (pa.timestamp("us"), time),
        "zoned": (pa.timestamp("ms", tz="UTC"), time.replace(tzinfo=datetime.timezone.utc)),
        "exact": (pa.decimal128(9, 3), decimal.Decimal("12.345")),
        "is_good": (pa.bool_(), True),
        "words": (pa.list_(pa.string()), ["a", None]),
    }
    table = pa.table({
        "dicom_id": [images[0].image, images[1].image],
        **{name: pa.array([value, None], kind) for name, (kind, value) in columns.items()},
        "grade": pa.array(["good", None]).dictionary_encode(),
    })  # fmt: skip
    for several in (False, True):
        pq.write_table(table, tmp_path / "typed.parquet")
        rows = load({"t": {"address": str(tmp_path / "typed.parquet"), "several": several}})
        rows = rows.remove_columns("image")
        schema = rows.features.arrow_schema
        of_image = dict(zip(rows["image_id"], rows, strict=True))
        found, empty = (of_image[one.image] for one in images[:2])
        if several:
            kinds = {field.name: field.type for field in schema.field("t").type.value_type}
            found, empty = found["t"][0], empty["t"][0]
        else:
            kinds = {name: schema.field(f"t_{name}").type for name in (*columns, "grade")}
            found, empty = (
                {name: row[f"t_{name}"] for name in (*columns, "grade")} for row in (found, empty)
            )
        # Of a dictionary the words count.
        assert kinds == {name: kind for name, (kind, _) in columns.items()} | {"grade": pa.string()}
        assert found == {name: value for name, (_, value) in columns.items()} | {"grade": "good"}
        assert set(empty.values()) == {None}


def test_several_rows_a_key_give_a_list_of_structs_in_the_order_of_the_file(
    load: Load, images: list[Ids], tmp_path: Path
) -> None:
    first, second = images[0].image, images[1].image
    table = write_csv(
        tmp_path / "notes.csv.gz", ["note", "image_id"],
        [("a", first), ("b", second), ("c", first), ("d", first)],
    )  # fmt: skip
    rows = load({"notes": table})
    found = {row["image_id"]: row["notes"] for row in rows.remove_columns("image")}
    assert found.pop(first) == [{"note": "a"}, {"note": "c"}, {"note": "d"}]
    assert found.pop(second) == [{"note": "b"}]
    assert set(map(str, found.values())) == {"None"}


FORMS = {
    "plain": lambda one: (one.image, one.study, one.subject),
    "prefixes": lambda one: (f"{one.image}.dcm", f"s{one.study}", f"p{one.subject}"),
    "paths": lambda one: (
        f"files/p10/p{one.subject}/s{one.study}/{one.image}.jpg",
        f"files/p10/p{one.subject}/s{one.study}",
        f"files/p10/p{one.subject}",
    ),
    "floats": lambda one: (f"x/{one.image}", f"{one.study}.0", f"{one.subject}.0"),
}


@pytest.mark.parametrize("form", FORMS)
def test_ids_are_one_in_whatever_form_they_are_written(
    load: Load, images: list[Ids], tmp_path: Path, form: str
) -> None:
    for place, (name, id) in enumerate(
        [("dicom_id", "image"), ("study_id", "study"), ("subject_id", "subject")]
    ):
        keys = dict.fromkeys(FORMS[form](one)[place] for one in images)
        wanted = dict.fromkeys(getattr(one, id) for one in images)
        rows_of_keys = zip(range(99), keys, strict=False)
        table = write_csv(tmp_path / f"{id}.csv", ["n", name.upper()], rows_of_keys)
        rows = load({"one": table}).remove_columns("image")
        column = "image_id" if id == "image" else f"{id}_id"
        assert {row[column]: row["one_n"] for row in rows} == dict(
            zip(wanted, range(99), strict=False)
        )


@pytest.fixture
def three(images: list[Ids], tmp_path: Path) -> dict[str, str]:
    """A layer of images, one of studies, and one of patients."""
    of_images = [(one.image, part) for at, one in enumerate(images[::2]) for part in range(at % 3)]
    studies = sorted({one.study for one in images})[:7]
    patient = pa.table({"subject_id": [str(images[0].subject)], "age": pa.array([70], pa.int8()),
                        "tags": [["a", "b"]], "when": pa.array([1], pa.date32())})  # fmt: skip
    pq.write_table(patient, tmp_path / "patients.parquet")
    return {
        "parts": str(write_csv(tmp_path / "parts.csv", ["dicom_id", "part"], of_images)),
        "exam": str(
            write_json_lines(
                tmp_path / "exam.jsonl",
                [{"study_id": f"s{id}", "facts": {"a": float("nan"), "b": [1, 2]}, "n": id % 7}
                 for id in studies],
            )
        ),
        "who": str(tmp_path / "patients.parquet"),
    }  # fmt: skip


def told(row: dict[str, Any], names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


OF_A_STUDY = ("exam_facts", "exam_n", "who_age", "who_tags", "who_when")


def test_studies_have_lists_of_their_images_layers_and_reports_have_those_of_studies(
    load: Load, images: list[Ids], three: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    by_image = {row["image_id"]: row for row in load(three).remove_columns("image")}
    assert {str(row["exam_facts"]) for row in by_image.values()} == {
        "None", "{'a': None, 'b': [1, 2]}"
    }  # fmt: skip
    studies = load(three, "studies").remove_columns("images")
    for study in studies:
        own = [by_image[image] for image in study["image_ids"]]
        assert study["partss"] == [row["parts"] for row in own]
        assert {str(told(row, OF_A_STUDY)) for row in own} == {str(told(study, OF_A_STUDY))}
    caplog.clear()
    reports = load(three, "reports")
    assert "parts" not in reports.column_names
    assert [told(row, OF_A_STUDY) for row in reports] == [told(row, OF_A_STUDY) for row in studies]
    assert "layer parts is of images, and rows of config reports have none" in caplog.text


@pytest.mark.parametrize("config", ["images", "studies", "reports"])
def test_streams_and_exports_have_the_same_columns(
    load: Load, three: dict[str, str], small_release: Path, layers_cache: str, tmp_path: Path,
    config: str,
) -> None:  # fmt: skip
    built = load(three, config, split="train")
    names = [name for name in built.column_names if name.startswith(("parts", "exam_", "who_"))]
    assert len(names) == (5 if config == "reports" else 6)
    expected = built.select_columns(names).to_list()
    stream = load(three, config, split="train", streaming=True)
    assert list(stream.select_columns(names)) == expected
    assert list(stream.shuffle(seed=3).select_columns([*names, "study_id"]))
    words = [f"{name}={place}" for name, place in three.items()]
    out = str(tmp_path / "out")
    assert main([
        "export", "mimic-cxr-jpg", "--data-dir", str(small_release), "--out", out, "--config",
        config, "--split", "train", "--image-size", "32", "--cache-dir", layers_cache,
        "--no-progress", *(word for one in words for word in ("--layer", one)),
    ]) == 0  # fmt: skip
    exported = load_dataset(out, config, split="train", cache_dir=layers_cache)
    assert exported.select_columns(names).to_list() == expected


def test_a_stream_that_does_not_look_at_a_layer_reads_none_of_it(
    load: Load, three: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cxr_datasets.layers.stored import StoredLayer

    read: list[str] = []
    take = StoredLayer.take
    monkeypatch.setattr(
        StoredLayer, "take", lambda self, places: read.append(self.name) or take(self, places)
    )
    stream = load(three, split="train", streaming=True)
    assert list(stream.select_columns(["image_id", "who_age"]))
    assert set(read) == {"who"}
    read.clear()
    assert list(stream.select_columns(["image_id", "labels"]))
    assert not read


def test_unmatched_keys_of_both_sides_are_told_in_one_line(
    load: Load, images: list[Ids], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = write_csv(
        tmp_path / "half.csv", ["study_id", "x"],
        [(f"s{images[0].study}", 1), ("s59999998", 2), ("s59999998", 3), ("59999999", 4), ("", 5),
         ("unknown", 6)],
    )  # fmt: skip
    load({"half": table})
    studies = len({one.study for one in images})
    line = next(record.getMessage() for record in caplog.records if "half" in record.getMessage())
    assert line == (
        f"layer half, {table}: {studies - 1} of {studies} studies have no row in it: null; "
        "2 of its 3 ids (3 of 4 rows) are of no study of the release: ignored; "
        "2 more rows have no ids of studies: ignored"
    )


def test_the_counts_do_not_depend_on_the_views_that_are_kept(
    load: Load, images: list[Ids], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = write_csv(tmp_path / "all.csv", ["dicom_id", "x"], [(o.image, 1) for o in images])
    with caplog.at_level(logging.WARNING):
        rows = load({"all": table}, views=["lateral"])
    assert 0 < len(rows) < len(images)
    assert "layer all" not in caplog.text


def test_a_changed_table_or_form_gives_new_rows_and_the_same_ones_the_old_cache(
    load: Load, images: list[Ids], tmp_path: Path
) -> None:
    one = images[0].image

    def values(**form: Any) -> tuple[list[Any], str]:
        rows = load({"x": {"address": str(table), **form}}, split="train")
        names = [name for name in rows.column_names if name.startswith("x")]
        found = [row[names[0]] for row in rows.remove_columns("image") if row["image_id"] == one]
        return found, rows.cache_files[0]["filename"]

    train = load(None, split="train")
    one = train.remove_columns("image")[0]["image_id"]
    table = write_csv(tmp_path / "x.csv", ["dicom_id", "a"], [(one, 1)])
    first = values()
    assert first[0] == [1]
    assert values() == first
    assert values(several=True)[0] == [[{"a": 1}]]
    write_csv(table, ["dicom_id", "a"], [(one, 22)])
    assert values()[0] == [22]


def test_a_file_of_a_folder_that_changed_in_its_place_gives_new_rows(
    load: Load, images: list[Ids], tmp_path: Path
) -> None:
    file = tmp_path / "graphs" / "a.json"
    file.parent.mkdir()
    for grade in (1, 2):
        file.write_text(json.dumps({"dicom_id": images[0].image, "grade": grade}))
        rows = load({"g": str(file.parent)}).select_columns(["image_id", "g_grade"])
        assert [row["g_grade"] for row in rows if row["image_id"] == images[0].image] == [grade]


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        (["a.csv"], "is no dictionary"),
        ({"2x": "a.csv"}, "is no name of a layer"),
        ({"a": 3}, "Give the address of a table"),
        ({"a": pa.table({"study_id": [1]})}, "write a table that is in memory to a file"),
        ({"a": {"address": "a.csv", "colour": 1}}, "'colour'"),
        ({"a": {"key": "x"}}, "has no address"),
        ({"a": {"address": "a.csv", "by": "image"}}, "image_id"),
        ({"a": {"address": "a.csv", "like": "nothing"}}, "like='nothing'"),
        ({"a": {"address": "a.csv", "space": "224"}}, "224 pad"),
        ({"a": {"address": "a.csv", "boxes": ["a", "b", "c"]}}, "are not four columns"),
        ({"a": {"address": "a.csv", "boxes": ["a", "b", "c", "d"]}}, "box_form='corners'"),
        ({"a": {"address": "a.csv", "columns": "x"}}, "no list of columns"),
        ({"a": "https://me:secret@host/a.csv"}, "holds a password"),
        ({"a": "/nowhere/a.csv"}, "does not exist"),
    ],
)
def test_a_wrong_value_of_the_option_is_refused(load: Load, layers: Any, said: str) -> None:
    with pytest.raises(OptionError) as raised:
        load(layers)
    assert said in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_column_that_exists_is_an_error(load: Load, images: list[Ids], tmp_path: Path) -> None:
    date = write_csv(tmp_path / "a.csv", ["study_id", "date"], [(images[0].study, 1)])
    with pytest.raises(OptionError, match=r"makes a column 'study_date', and there is one"):
        load({"study": date})
    many = write_csv(tmp_path / "b.csv", ["dicom_id", "x"], [(images[0].image, 1)] * 2)
    with pytest.raises(OptionError, match="makes a column 'view'"):
        load({"view": many})
    with pytest.raises(OptionError, match="makes a column 'views'"):
        load({"view": many}, "studies")
    one = write_csv(tmp_path / "c.csv", ["dicom_id", "b_c", "c"], [(images[0].image, 1, 2)])
    with pytest.raises(OptionError, match="makes a column 'a_b_c'"):
        load({"a": one, "a_b": one})


WRONG_TABLES: dict[str, tuple[str, str]] = {
    "no ids": ("a,b\n1,2\n", "has no column that is called as ids are: expected one of image_id, "
                             "dicom_id"),
    "other ids": ("dicom_id,b\n7,2\n", "holds no ids of images, such as 0a1b2c3d"),
    "ids of others": ("study_id,b\n59999999,2\n", "none of the 1 ids"),
    "only ids": ("study_id\n59999999\n", "no column beside its ids"),
    "twice": ("study_id,b,b\n59999999,2,3\n", "column number 2 has the name of another"),
    "ragged": ("study_id,b\n59999999,2\n59999999\n", "CSV parse error: "),
    "no rows": ("study_id,b\n", "has no rows"),
    "a workbook": ("PK\x03\x04\x14\0\0 xl/workbook.xml", "Save the table as CSV"),
    "an old workbook": ("\udcd0\udccf\x11\udce0", "Save the table as CSV"),
    "a page": ("<!DOCTYPE html><html></html>", "is a page of HTML"),
    "not UTF-8": ("study_id,b\n59999999,caf\udce9\n", "holds text that is not UTF-8, number 2"),
    "blank": ("study_id,b\n,1\n", "found blanks only"),
}  # fmt: skip


@pytest.mark.parametrize("fault", WRONG_TABLES)
def test_a_wrong_table_is_named_with_what_is_wrong(load: Load, tmp_path: Path, fault: str) -> None:
    content, said = WRONG_TABLES[fault]
    table = tmp_path / "table.csv"
    table.write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises((TableError, OptionError)) as raised:
        load({"t": str(table)})
    assert str(table) in str(raised.value)
    assert said in str(raised.value)


def test_half_a_character_in_json_is_an_error_that_names_the_column(
    load: Load, images: list[Ids], tmp_path: Path
) -> None:
    table = write_json_lines(tmp_path / "t.jsonl", [{"dicom_id": images[0].image, "w": "\ud800"}])
    with pytest.raises(TableError, match=r"t\.jsonl: a column holds half a character, number 2"):
        load({"t": str(table)})
    kept = [{"dicom_id": images[0].image, "w": "\ud800", "n": 1}]
    write_json_lines(table, kept)
    assert "t_n" in load({"t": Layer(str(table), columns=("n",))}).column_names


FORMATS: dict[str, tuple[str, Any]] = {
    "semicolons": ("t.csv", "dicom_id;n\n{0};1\n{1};2\n"),
    "TABs": ("t.txt", "dicom_id\tn\n{0}\t1\n{1}\t2\n"),
    "a mark of UTF-8, CRLF": ("t.csv", "\ufeffdicom_id,n\r\n{0},1\r\n{1},2\r\n"),
    "an index of pandas": ("t.csv", ",dicom_id,n\n0,{0},1\n1,{1},2\n"),
    "JSON": ("t.json", [{"dicom_id": "{0}", "n": 1}, {"dicom_id": "{1}", "n": 2}]),
    "JSON by split": ("t.json", {"a": [{"dicom_id": "{0}", "n": 1}],
                                 "b": [{"dicom_id": "{1}", "n": 2}]}),
    "JSON by id": ("t.json", {"x/{0}.jpg": {"n": 1}, "x/{1}.jpg": {"n": 2}}),
    "one line": ("t.jsonl", {"dicom_id": "{0}", "n": 1}),
    "texts with ends of lines that JSON has not": (
        "t.jsonl", '{"dicom_id": "{0}", "w": "a\u2028b\x85c", "n": 1}\n'
                   '{"dicom_id": "{1}", "w": "\x1cd", "n": 2}\n'.replace("\x1c", "\\u001c"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
def test_tables_come_in_many_formats(
    load: Load, images: list[Ids], tmp_path: Path, form: str
) -> None:
    name, content = FORMATS[form]
    text = content if isinstance(content, str) else json.dumps(content)
    for number in (0, 1):
        text = text.replace(f"{{{number}}}", images[number].image)
    (tmp_path / name).write_text(text, encoding="utf-8")
    layer = Layer(str(tmp_path / name), key="key" if form == "JSON by id" else None)
    rows = load({"t": layer}).select_columns(["image_id", "t_n"])
    found = {row["image_id"]: row["t_n"] for row in rows if row["t_n"] is not None}
    expected = {images[0].image: 1, images[1].image: 2}
    assert found == ({images[0].image: 1} if form == "one line" else expected)


def test_a_folder_or_zip_of_json_files_is_one_layer(
    load: Load, images: list[Ids], tmp_path: Path
) -> None:
    for number, one in enumerate(images[:3]):
        file = tmp_path / "graphs" / "graphs" / f"{one.image}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        parts = [{"part": f"p{part}"} for part in range(number)]
        file.write_text(json.dumps({"image_id": one.image, "parts": parts, "who": 5, "x": [1]}))
    archive = shutil.make_archive(str(tmp_path / "zipped"), "zip", tmp_path / "graphs")
    for address in (archive, str(tmp_path / "graphs")):
        rows = load({"g": Layer(address, records="parts")}).select_columns(["image_id", "g"])
        found = {row["image_id"]: row["g"] for row in rows if row["g"]}
        assert found == {
            one.image: [{"who": 5, "part": f"p{part}"} for part in range(number)]
            for number, one in enumerate(images[:3]) if number
        }  # fmt: skip
    (tmp_path / "graphs" / "other").mkdir()
    with pytest.raises(TableError, match="holds no JSON file"):
        load({"g": Layer(str(tmp_path / "graphs"), records="parts")})


def test_a_key_that_repeats_is_refused_where_one_row_was_promised(
    load: Load, images: list[Ids], tmp_path: Path
) -> None:
    table = write_csv(tmp_path / "t.csv", ["dicom_id", "b"],
                      [(images[at].image, at) for at in (0, 1, 1)])  # fmt: skip
    with pytest.raises(
        TableError, match="1 keys in several rows, the first of them in 2 from row 2"
    ):
        load({"t": Layer(str(table), several=False)})


def test_another_column_of_ids_and_fewer_columns_are_chosen_by_the_form(
    load: Load, images: list[Ids], tmp_path: Path
) -> None:
    one = images[0]
    table = write_csv(tmp_path / "t.csv", ["where", "study_id", "a", "b"],
                      [(f"x/{one.image}.png", 0, 1, 2)])  # fmt: skip
    form = Layer(str(table), key="where", columns=("b",))
    for layer in (form, Layer(str(table), key="where", by="image_id", columns=["b"])):  # type: ignore[arg-type]
        rows = load({"t": layer}).remove_columns("image")
        assert [n for n in rows.column_names if n.startswith("t_")] == ["t_b"]
        assert [row["image_id"] for row in rows if row["t_b"] == 2] == [one.image]
    expected = r"names a column 'c', .* does not have. It has: 'where', 'study_id', 'a', 'b'\."
    with pytest.raises(OptionError, match=expected):
        load({"t": Layer(str(table), key="where", columns=("c",))})


def test_the_first_of_several_names_that_the_table_has_is_the_key(
    load: Load, images: list[Ids], tmp_path: Path
) -> None:
    one, other = images[0], images[1]
    table = write_csv(
        tmp_path / "t.csv", ["where", "study_id", "n"],
        [(f"files/x/{one.image}.jpg", other.study, 1), (f"{other.image}.jpg", one.study, 2)],
    )  # fmt: skip
    layer = {"address": str(table), "key": ["dicom_id", "where"], "by": "image_id"}
    found = {row["image_id"]: row for row in load({"t": layer}).remove_columns("image")}
    assert (found[one.image]["t_n"], found[other.image]["t_n"]) == (1, 2)
    assert found[one.image]["t_study_id"] == other.study
    with pytest.raises(OptionError, match=r"a column 'dicom_id', which .*t\.csv does not have"):
        load({"t": {"address": str(table), "key": ["dicom_id", "place"]}})
    with pytest.raises(OptionError, match=r"layers\['t'\]: key=\[\] is no list"):
        load({"t": {"address": str(table), "key": []}})


def test_the_other_dataset_joins_by_its_own_ids(
    indiana_release: Path, layers_cache: str, tmp_path: Path
) -> None:
    plain = load_dataset("indiana_cxr", data_dir=str(indiana_release), cache_dir=layers_cache,
                         split="train").remove_columns("image")  # fmt: skip
    first = plain[0]
    files = write_csv(tmp_path / "f.csv", ["filename", "n"], [(f"{first['image_id']}.dcm.png", 5)])
    uids = write_csv(tmp_path / "u.csv", ["uid", "n"], [(f"CXR{first['study_id']}", 6)])
    rows = load_dataset(
        "indiana_cxr", data_dir=str(indiana_release), cache_dir=layers_cache, split="train",
        layers={"f": str(files), "u": str(uids)},
    ).remove_columns("image")  # fmt: skip
    assert {row["image_id"] for row in rows if row["f_n"] == 5} == {first["image_id"]}
    assert {row["study_id"] for row in rows if row["u_n"] == 6} == {first["study_id"]}


def test_a_builder_with_layers_can_be_sent_to_a_worker(
    load: Load, three: dict[str, str], small_release: Path, layers_cache: str
) -> None:
    rows = load(three, num_proc=2)
    assert rows.select_columns(["parts"]).to_list()
    builder = builder_class("mimic-cxr-jpg")(
        config_name="images", data_dir=str(small_release), cache_dir=layers_cache, layers=three
    )
    again = pickle.loads(pickle.dumps(builder))
    assert [layer.name for layer in again.layers] == list(three)


@pytest.mark.parametrize("kind", ["numpy", "pandas", "torch", "arrow"])
@pytest.mark.parametrize("config", ["images", "studies", "reports"])
def test_rows_with_layers_pass_the_formatters(
    load: Load, three: dict[str, str], kind: str, config: str
) -> None:
    if kind == "torch":
        pytest.importorskip("torch")
    layers = {name: {"address": place} for name, place in three.items()}
    layers["who"]["columns"] = ["age", "tags"]  # type: ignore[assignment]
    rows = load(layers, config).with_format(kind)
    assert len(rows[:3]) if kind != "arrow" else rows[:3].num_rows == 3


def test_stats_count_what_matches(
    three: dict[str, str], small_release: Path, images: list[Ids], capsys: pytest.CaptureFixture
) -> None:
    words = ["stats", str(small_release), "--layer", f"parts={three['parts']}", "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)["layers"]
    assert {row["layer"] for row in found} == {"parts"}
    keys = {one.image for at, one in enumerate(images[::2]) if at % 3}
    assert sum(row["matched"] for row in found) == len(keys)
    assert sum(row["images"] for row in found) == len(images)


@pytest.mark.parametrize(
    ("word", "said"),
    [("x", "has no value"), ("x={", "is no JSON object"), ("x=/nowhere", "does not exist")],
)
def test_a_wrong_layer_on_the_command_line_is_refused(
    small_release: Path, capsys: pytest.CaptureFixture, word: str, said: str
) -> None:
    try:
        code = main(["stats", str(small_release), "--layer", word])
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert said in capsys.readouterr().err
