"""The options of an export: described, sorted from those of the dataset, and checked."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from cxr_datasets.builder import CxrConfig
from cxr_datasets.errors import OptionError
from cxr_datasets.export import ExportOptions, export
from cxr_datasets.export.options import dataset_options, sort_options


@dataclass
class OtherConfig(CxrConfig):
    """The config of some dataset, with an option of its own."""

    site: str | None = None


def test_every_option_says_what_it_does() -> None:
    for option in fields(ExportOptions):
        said = option.metadata["help"]
        assert said[0].isupper()
        assert said.endswith(".")
        assert "`" not in said


def test_the_options_of_a_dataset_are_its_own_and_the_shared_ones() -> None:
    names = dataset_options(OtherConfig)
    assert names == [
        "ids", "split_file", "allow_shared_patients", "split_by", "fractions", "folds", "fold",
        "fraction", "seed", "require",
        "views", "images", "missing", "damaged", "image_size", "image_format", "layers",
        "connections", "cache", "cache_folder", "site",
    ]  # fmt: skip


def test_options_go_where_they_belong() -> None:
    given = {"num_proc": 3, "site": Path("a/b"), "progress": False, "image_size": 512}
    own, dataset = sort_options(given, OtherConfig)
    assert own == ExportOptions(num_proc=3, progress=False)
    assert dataset == {"site": "a/b", "image_size": 512}


@pytest.mark.parametrize("name", ["image_sise", "version", "data_files", "name", "data_dir"])
def test_an_unknown_option_is_answered_with_those_of_both(name: str) -> None:
    with pytest.raises(OptionError) as caught:
        sort_options({name: 1}, OtherConfig)
    said = str(caught.value)
    assert said.startswith(f"option={name!r} is not known. Choose from: ")
    for known in [
        *(option.name for option in fields(ExportOptions)),
        *dataset_options(OtherConfig),
        *("config", "split"),
    ]:
        assert repr(known) in said
    assert "'embed'" not in said


def test_the_same_holds_of_a_call(small_release: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"'rows_per_fil'.*'rows_per_file'.*'reports'"):
        export("mimic-cxr-jpg", small_release, tmp_path / "out", rows_per_fil=3)
    assert not (tmp_path / "out").exists()
