"""The command `cxr`: what it writes, says and returns."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import load_dataset

import indiana_cxr  # noqa: F401
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets import __version__
from cxr_datasets.cli import main
from cxr_datasets.testing import files_under, read_table

DATASETS = {
    "mimic-cxr-jpg": ["--patients", "12", "--seed", "3"],
    "indiana-cxr": ["--studies", "20", "--seed", "3"],
}


@pytest.fixture(params=DATASETS)
def dataset(request: pytest.FixtureRequest) -> str:
    return request.param


def contents(folder: Path) -> dict[str, str]:
    return {
        file: hashlib.sha256((folder / file).read_bytes()).hexdigest()
        for file in files_under(folder)
    }


def synthesize(dataset: str, out: Path, *options: str) -> int:
    return main(["synthesize", dataset, str(out), *options])


def test_synthesize_writes_a_release_that_loads_and_prints_where(
    dataset: str, tmp_path: Path, cache: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert synthesize(dataset, out, *DATASETS[dataset]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{out}\n"
    assert printed.err == ""
    splits = load_dataset(dataset.replace("-", "_"), data_dir=str(out), cache_dir=cache)
    assert splits["train"][0]["image"].mode == "L"


def test_a_dataset_may_be_written_with_either_dash(tmp_path: Path) -> None:
    releases = []
    for name in ("indiana-cxr", "indiana_cxr"):
        assert synthesize(name, tmp_path / name, "--studies", "4", "--scale", "0.02") == 0
        releases.append([file.read_bytes() for file in sorted((tmp_path / name).glob("*.csv"))])
    assert releases[0] == releases[1]


def test_options_say_how_large_and_which_release_it_is(tmp_path: Path) -> None:
    assert synthesize("mimic-cxr-jpg", tmp_path / "mimic", "--patients", "12") == 0
    table = read_table(tmp_path / "mimic" / "mimic-cxr-2.0.0-split.csv.gz")
    assert table.subject_id.nunique() == 12
    assert synthesize("indiana-cxr", tmp_path / "iu", "--studies", "20", "--layout", "zip") == 0
    assert files_under(tmp_path / "iu") == ["archive.zip"]


def test_the_same_options_give_the_same_bytes_and_another_seed_others(
    dataset: str, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        assert synthesize(dataset, tmp_path / name, *DATASETS[dataset]) == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert synthesize(dataset, tmp_path / "three", *DATASETS[dataset], "--seed", "4") == 0
    assert contents(tmp_path / "three") != contents(tmp_path / "one")


def test_a_folder_that_holds_something_is_left_alone(
    dataset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert synthesize(dataset, tmp_path) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("cxr: ")
    assert str(tmp_path) in printed.err
    assert "Traceback" not in printed.err
    assert files_under(tmp_path) == ["mine.txt"]
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("dataset", "option", "value", "known"),
    [
        ("mimic-cxr-jpg", "--release", "3.0.0", ["2.1.0", "2.0.0"]),
        ("mimic-cxr-jpg", "--tables", "xlsx", ["csv.gz", "csv"]),
        ("mimic-cxr-jpg", "--reports", "rar", ["zip", "tar.gz", "tree", "none"]),
        ("indiana-cxr", "--layout", "tar", ["images_normalized", "images", "flat", "zip"]),
        ("indiana-cxr", "--studies", "0", ["3", "3500"]),
        ("indiana-cxr", "--scale", "7", ["1/64", "1"]),
    ],
)
def test_a_wrong_value_lists_the_right_ones(
    dataset: str,
    option: str,
    value: str,
    known: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert synthesize(dataset, tmp_path / "out", option, value) == 2
    printed = capsys.readouterr()
    assert value in printed.err
    assert all(choice in printed.err for choice in known)
    assert printed.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "known"),
    [
        (["synthesize", "mimic-cxr-jpg", "OUT", "--patient-count", "3"], ["--patients", "--seed"]),
        (["synthesize", "indiana-cxr", "OUT", "--patients", "3"], ["--studies", "--layout"]),
        (["synthesize", "mimic", "OUT"], ["mimic-cxr-jpg", "indiana-cxr"]),
        (["synthesise"], ["synthesize"]),
        ([], ["COMMAND"]),
        (["synthesize"], ["DATASET"]),
        (["synthesize", "indiana-cxr"], ["OUT"]),
        (["synthesize", "indiana-cxr", "OUT", "--seed", "one"], ["--seed", "int"]),
    ],
)
def test_a_wrong_word_is_answered_with_the_right_ones(
    arguments: list[str],
    known: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    printed = capsys.readouterr().err
    assert all(word in printed for word in known)
    assert files_under(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["synthesize"]),
        (["synthesize", "--help"], ["mimic-cxr-jpg", "indiana-cxr", "invented"]),
        (
            ["synthesize", "mimic-cxr-jpg", "--help"],
            ["OUT", "--patients", "--seed", "--release", "--tables", "--reports", "--scale", "50"],
        ),
        (["synthesize", "indiana-cxr", "--help"], ["--studies", "--layout", "60"]),
        (["--version"], [__version__]),
    ],
)
def test_help_says_what_there_is(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in words)


@pytest.mark.parametrize("dataset", ["mimic-cxr-jpg", "indiana-cxr"])
def test_help_of_an_invented_release_says_what_each_option_is_for(
    dataset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["synthesize", dataset, "--help"])
    options = capsys.readouterr().out.partition("options:")[2]
    about = re.findall(r"--\S+ [A-Z_]+\s+(.*(?:\n {8}.*)*)", options)
    assert len(about) == len(re.findall("^  --", options, re.MULTILINE)) > 3
    assert all(re.search(r"\w{4}.*\. Default: \S+\.$", " ".join(each.split())) for each in about)
    assert not any(each.startswith("Default") for each in about)


def test_the_installed_command_is_this_one(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("cxr")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    run = subprocess.run(
        [command, "synthesize", "indiana-cxr", "out"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 2
    assert run.stderr.startswith("cxr: ")
    assert run.stdout == ""


def test_what_a_verb_prints_of_a_name_makes_no_terminal_act(
    indiana_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "\x1b[2Jout"
    words = ["indiana-cxr", "--data-dir", str(indiana_release), "--out", str(out)]
    cache = ["--cache-dir", str(tmp_path / "cache")]
    assert main(["export", *words, "--config", "reports", *cache, "--no-progress"]) == 0
    assert main(["verify", str(out), "--no-progress"]) == 0
    assert main(["synthesize", "indiana-cxr", str(tmp_path / "\x1b[2Jmade"), "--studies", "3"]) == 0
    said = capsys.readouterr().out
    assert said.count("\\x1b[2J") == 3
    assert "\x1b" not in said
