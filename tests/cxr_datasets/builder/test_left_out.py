"""Rows that options leave out are told in one line of each load, rule by rule."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset, load_dataset_builder

import indiana_cxr  # noqa: F401
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.cli import main

CONFIGS = ("images", "studies", "reports")
OPTIONS: dict[str, Any] = {"views": ["frontal"], "fraction": 0.5, "require": ["findings"]}


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Gives the lines of what is left since it was asked last."""

    def said() -> list[str]:
        lines = [line for line in caplog.messages if "are left: " in line]
        caplog.clear()
        return lines

    return said


def line_of(package: str, release: Path, config: str, cache: str, **options: Any) -> str:
    """The line as docs/cohorts.md has it, from the table of rules."""
    builder = load_dataset_builder(
        package, config, data_dir=str(release), cache_dir=cache, **options
    )
    first, *rules = builder.steps()
    last = rules[-1]
    told = "; ".join(f"{one.rule} leaves out {one.left_out}" for one in rules)
    return (
        f"{last.images} of {first.images} images ({last.studies} of {first.studies} studies) are "
        f"left: {told}"
    )


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("streaming", [False, True])
def test_each_load_tells_once_what_each_rule_leaves_out(
    package: str, release: Path, cache: str, config: str, streaming: bool,
    said: Callable[[], list[str]], tmp_path: Path,
) -> None:  # fmt: skip
    expected = line_of(package, release, config, str(tmp_path), **OPTIONS)
    said()
    assert "fraction=0.5 leaves out " in expected
    assert expected.index("fraction=") < expected.index("views=") < expected.index("require=")
    for _ in range(2):  # the tables are read once, and then rows are in the cache
        rows = load_dataset(
            package, config, data_dir=str(release), cache_dir=cache, streaming=streaming, **OPTIONS
        )
        assert next(iter(rows["train"]))
        assert said() == [expected]


def test_all_rows_are_loaded_without_a_word(
    package: str, release: Path, cache: str, said: Callable[[], list[str]]
) -> None:
    for config in CONFIGS:
        for options in ({}, {"split_by": "patient"}, {"fraction": 1.0}):
            load_dataset(package, config, data_dir=str(release), cache_dir=cache, **options)
    assert said() == []


def test_what_a_list_of_splits_does_not_list_is_counted(
    package: str, release: Path, cache: str, said: Callable[[], list[str]]
) -> None:
    rows = load_dataset(package, "reports", data_dir=str(release), cache_dir=cache, split="train")
    some = rows["study_id"][:3]
    load_dataset(
        package, "reports", data_dir=str(release), cache_dir=cache, split_file={"train": some}
    )
    (line,) = said()
    assert "(3 of " in line
    assert "are left: split_file=3 studies, digest " in line


def test_images_that_are_in_no_split_are_counted(
    indiana_release: Path, cache: str, said: Callable[[], list[str]]
) -> None:
    load_dataset("indiana_cxr", data_dir=str(indiana_release), cache_dir=cache, split_by="r2gen")
    (line,) = said()
    assert re.search(r" are left: split_by=r2gen leaves out [1-9]\d*$", line)


def test_absent_images_have_a_line_of_their_own(
    package: str, release: Path, cache: str, tmp_path: Path, said: Callable[[], list[str]],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    everything = load_dataset(package, data_dir=str(release), cache_dir=cache)
    paths = [path for split in everything.values() for path in split["path"]]
    for path in paths[:-2]:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    for _ in range(2):
        caplog.clear()
        load_dataset(
            package, data_dir=str(release), cache_dir=cache, images=str(tmp_path), missing="skip",
            ids=[path.rpartition("/")[2].partition(".")[0] for path in paths[1:]],
        )  # fmt: skip
        lines = caplog.messages
        assert [line.partition(":")[0] for line in lines if "missing" in line] == ["missing='skip'"]
        (line,) = said()
        assert "leaves out 1" in line
        assert "missing" not in line


def test_the_commands_tell_it_beside_their_output(
    package: str, release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    said: Callable[[], list[str]],
) -> None:  # fmt: skip
    cache = str(tmp_path / "cache")
    expected = line_of(package, release, "images", str(tmp_path / "other"), views=["frontal"])
    said()
    words = [str(release), "--option", "views=frontal"]
    assert main(["stats", *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cohort"]
    (line,) = said()
    assert line.endswith(expected.partition("are left: ")[2])
    assert main(["preview", *words, "--out", str(tmp_path / "page.html")]) == 0
    assert len(said()) == 1
    for _ in range(2):
        assert main([
            "export", package.replace("_", "-"), "--data-dir", str(release), "--views", "frontal",
            "--out", str(tmp_path / "out"), "--cache-dir", cache, "--no-progress", "--image-size",
            "32", "--num-proc", "2",
        ]) == 0  # fmt: skip
        assert said() == [expected]
