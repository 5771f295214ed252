"""`labels_text`: a column of labels read from the reports, there only when it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import datasets
import multiprocess
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from datasets import load_dataset

import indiana_cxr  # noqa: F401
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets import labels as public
from cxr_datasets.builder import builder, overrides, text_labels
from cxr_datasets.builder.tally import Tallies
from cxr_datasets.columns import CONFIGS, LABELS
from cxr_datasets.errors import OptionError
from cxr_datasets.labels import compare, frame, label_text, to_targets
from cxr_datasets.labels.text.beside import Helper
from cxr_datasets.testing import datasets_under, stored
from mimic_cxr_jpg.synthetic import write_release

PACKAGES = ("indiana_cxr", "mimic_cxr_jpg")
SECTIONS = {
    "indiana_cxr": ("findings", "impression"),
    "mimic_cxr_jpg": ("impression", "findings", "last_paragraph", "comparison"),
}
BEFORE = {"indiana_cxr": "labels", "mimic_cxr_jpg": "labels_radiologist"}
DEFAULT = {"indiana_cxr": True, "mimic_cxr_jpg": False}


@pytest.fixture(scope="module")
def releases(indiana_release: Path, small_release: Path) -> dict[str, Path]:
    return {"indiana_cxr": indiana_release, "mimic_cxr_jpg": small_release}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def load(releases: dict[str, Path], folder: str) -> Any:
    """Loads one of the two, with a cache that all tests of this module share."""

    def load_one(package: str, config: str = "reports", **options: Any) -> Any:
        return load_dataset(
            package, config, data_dir=str(releases[package]), cache_dir=folder, **options
        )

    return load_one


def own_labels(row: dict[str, Any], package: str) -> dict[str, int | None] | None:
    """What the row's own text says, by the function for one text."""
    texts = [row[section] for section in SECTIONS[package] if row[section] is not None]
    return label_text(texts[0]) if texts else None


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("package", PACKAGES)
def test_every_row_has_the_labels_of_its_own_text(package: str, config: str, load: Any) -> None:
    for split in load(package, config, labels_text=True).values():
        rows = stored(split).to_pylist()
        assert [row["labels_text"] for row in rows] == [own_labels(row, package) for row in rows]


@pytest.mark.parametrize("package", PACKAGES)
def test_it_stands_after_the_datasets_own_labels_and_is_of_their_type(
    package: str, load: Any
) -> None:
    names = load(package, labels_text=True)["train"].column_names
    assert names[names.index("labels_text") - 1] == BEFORE[package]
    features = load(package, labels_text=True)["train"].features
    assert features["labels_text"] == features["labels"]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_option_adds_this_column_and_changes_no_other(package: str, load: Any) -> None:
    asked, refused = load(package, labels_text=True), load(package, labels_text=False)
    for name, split in refused.items():
        assert stored(asked[name]).drop_columns(["labels_text"]).equals(stored(split))
    assert ("labels_text" in load(package)["train"].column_names) == DEFAULT[package]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_stream_has_the_same_labels(package: str, load: Any) -> None:
    options = {"config": "images", "split": "train", "labels_text": True}
    rows = load(package, streaming=True, **options).select_columns(["labels_text", "study_id"])
    built = load(package, **options)
    assert [row["labels_text"] for row in rows] == stored(built)["labels_text"].to_pylist()


def test_a_stream_of_other_columns_labels_no_text(
    load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = load("indiana_cxr", "images", split="train", streaming=True)
    monkeypatch.setattr(text_labels, "label_texts", None)
    wanted = rows.select_columns(["image", "labels", "findings"])
    first = next(iter(wanted))
    assert list(first) == ["image", "labels", "findings"]
    assert first["image"].size
    with pytest.raises(TypeError):  # and whoever wants it has it made
        next(iter(rows.select_columns(["labels_text"])))


def test_each_text_is_read_once_not_once_an_image(
    releases: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str | None] = []

    def counting(texts: Any) -> pa.StructArray:
        read.extend(texts.to_pylist())
        return public.label_texts(texts)

    monkeypatch.setattr(text_labels, "label_texts", counting)
    train = load_dataset(
        "indiana_cxr", data_dir=str(releases["indiana_cxr"]), cache_dir=str(tmp_path)
    )["train"]
    assert len(read) == len(set(train["study_id"])) < len(train)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_study_without_a_text_has_no_labels_and_does_not_count_in_a_comparison(
    package: str, releases: dict[str, Path], load: Any
) -> None:
    table = pa.concat_tables(
        stored(split).replace_schema_metadata(None)
        for split in load(package, labels_text=True).values()
    )
    lacking = [table[section].is_null() for section in SECTIONS[package]]
    without = pc.and_(lacking[0], lacking[1])
    for more in lacking[2:]:
        without = pc.and_(without, more)
    assert pc.sum(without).as_py() > 0
    assert table["labels_text"].is_null().equals(without)
    both = pc.and_(pc.is_valid(table["labels"]), pc.invert(without))
    compared = compare(load(package, labels_text=True), "labels", "labels_text")
    assert compared.loc["all", ("studies", "")] == pc.sum(both).as_py()


def test_without_reports_it_is_null_and_a_line_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_release(tmp_path / "mimic", patients=3, reports="none", scale=1 / 64)
    splits = load_dataset(
        "mimic_cxr_jpg", data_dir=str(root), cache_dir=str(tmp_path / "cache"), labels_text=True
    )
    assert all(set(split["labels_text"]) == {None} for split in splits.values())
    assert "null" in caplog.text
    assert "labels_text" in caplog.text


def test_it_is_one_more_source_wherever_labels_are_taken(load: Any) -> None:
    splits = load("mimic_cxr_jpg", labels_text=True)
    train = splits["train"]
    values, mask = to_targets(train["labels_text"], ["Edema"])
    assert values.shape == mask.shape == (len(train), 1)
    assert mask.any()
    columns = frame(splits).columns
    assert {f"labels_text.{label}" for label in LABELS} <= set(columns)


@pytest.mark.parametrize("value", ["yes", 2, "true"])
def test_another_value_is_an_error_that_names_the_choices(
    value: Any, releases: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=r"labels_text.*True.*False"):
        load_dataset(
            "indiana_cxr", data_dir=str(releases["indiana_cxr"]), cache_dir=str(tmp_path),
            labels_text=value,
        )  # fmt: skip
    assert not datasets_under(tmp_path)


def test_each_choice_has_a_cache_of_its_own(releases: dict[str, Path], tmp_path: Path) -> None:
    def build(**options: Any) -> datasets.DatasetDict:
        return load_dataset(
            "indiana_cxr", "reports", data_dir=str(releases["indiana_cxr"]),
            cache_dir=str(tmp_path), **options,
        )  # fmt: skip

    files = [
        build(**options)["train"].cache_files[0]["filename"]
        for options in ({}, {"labels_text": True}, {"labels_text": False})
    ]
    assert files[0] == files[1] != files[2]


class Watched(Helper):
    """A helper that notes what it did, and can be killed in the middle."""

    began = 0
    asked = 0
    answered = 0
    dies_at = -1
    processes: ClassVar[list[Any]] = []

    def begin(self) -> None:
        """Begin, and note the process."""
        super().begin()
        type(self).began += 1
        self.processes.append(self._process)

    def label_texts(self, column: Any) -> pa.StructArray:
        """Label, and count."""
        type(self).asked += 1
        if self.asked == self.dies_at and self._process:
            self._process.kill()
        labels = super().label_texts(column)
        type(self).answered += self.is_there
        return labels


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> type[Watched]:
    """The helper of a build of few rows, on a machine of several cores."""
    monkeypatch.setattr(Watched, "began", 0)
    monkeypatch.setattr(Watched, "asked", 0)
    monkeypatch.setattr(Watched, "answered", 0)
    monkeypatch.setattr(Watched, "processes", [])
    monkeypatch.setattr(overrides, "Helper", Watched)
    monkeypatch.setattr(text_labels, "_ROWS_WORTH_A_HELPER", 1)
    monkeypatch.setattr(text_labels, "share_of_cores", lambda: 2)
    monkeypatch.setattr(builder, "_ROWS_PER_TABLE", 1)  # each block is a table of its own
    return Watched


@pytest.mark.parametrize("config", ["images", "reports"])
def test_a_helper_labels_as_the_build_alone_does(
    config: str, watched: type[Watched], load: Any, small_release: Path, tmp_path: Path
) -> None:
    alone = load("mimic_cxr_jpg", config, labels_text=True)
    helped = load_dataset(
        "mimic_cxr_jpg", config, data_dir=str(small_release), cache_dir=str(tmp_path),
        labels_text=True,
    )  # fmt: skip
    assert watched.began
    assert watched.answered == watched.asked > 0
    for name, split in alone.items():
        assert stored(helped[name]).to_pylist() == stored(split).to_pylist()
    assert all(one.poll() is not None for one in watched.processes)


def test_a_helper_that_is_killed_costs_no_row(
    watched: type[Watched], load: Any, small_release: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(watched, "dies_at", 2)
    helped = load_dataset(
        "mimic_cxr_jpg", "reports", data_dir=str(small_release), cache_dir=str(tmp_path),
        labels_text=True,
    )  # fmt: skip
    assert watched.answered < watched.asked
    for name, split in load("mimic_cxr_jpg", "reports", labels_text=True).items():
        assert stored(helped[name]).to_pylist() == stored(split).to_pylist()


def test_a_build_that_is_stopped_leaves_no_helper(
    watched: type[Watched], small_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Tallies, "keep", stop)
    with pytest.raises(KeyboardInterrupt):
        load_dataset(
            "mimic_cxr_jpg", "reports", data_dir=str(small_release), cache_dir=str(tmp_path),
            labels_text=True,
        )  # fmt: skip
    assert watched.processes
    assert all(one.poll() is not None for one in watched.processes)


@pytest.mark.parametrize(
    "options", [{"labels_text": False}, {"labels_text": True, "num_proc": 2}, {"streaming": True}]
)
def test_other_work_has_no_helper(
    options: dict[str, Any], watched: type[Watched], small_release: Path, tmp_path: Path
) -> None:
    rows = load_dataset(
        "mimic_cxr_jpg", "images", data_dir=str(small_release), cache_dir=str(tmp_path),
        **{"labels_text": True, **options},
    )  # fmt: skip
    assert next(iter(rows["train"]))
    assert not watched.began


def test_only_many_rows_on_several_cores_are_worth_a_helper(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = text_labels._ROWS_WORTH_A_HELPER
    monkeypatch.setattr(text_labels, "share_of_cores", lambda: 2)
    assert text_labels.helper_pays(many)
    assert not text_labels.helper_pays(many - 1)
    with multiprocess.get_context("fork").Pool(1) as pool:
        assert not pool.apply(text_labels.helper_pays, (many,))
    monkeypatch.setattr(text_labels, "share_of_cores", lambda: 1)
    assert not text_labels.helper_pays(many)
