"""The command `cxr export`: its words, what it prints, and its progress bar."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cxr_datasets.builder import option_help
from cxr_datasets.cli import main
from cxr_datasets.export import ExportOptions
from cxr_datasets.packages import builder_class
from cxr_datasets.testing import files_under


@pytest.fixture
def words(small_release: Path, export_cache: str, tmp_path: Path) -> list[str]:
    return ["export", "mimic-cxr-jpg", "--data-dir", str(small_release), "--out",
            str(tmp_path / "out"), "--cache-dir", export_cache]  # fmt: skip


def test_the_last_line_says_what_was_written(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--image-size", "32", "--views", "frontal", "lateral"]) == 0
    printed = capsys.readouterr().out
    files = sorted((tmp_path / "out" / "images").iterdir())
    rows = sum(pq.read_metadata(file).num_rows for file in files)
    size = sum(file.stat().st_size for file in files)
    assert printed == (
        f"{tmp_path}/out: images, {rows:,} rows, {size:,} bytes in {len(files)} files "
        f"({len(files)} written now), 0 images skipped\n"
    )


def test_a_bar_counts_images_with_rate_and_time_left(words: list[str], tmp_path: Path) -> None:
    code = """
import sys
from cxr_datasets.cli import main

main(sys.argv[1:])
print("##", file=sys.stderr)
main([*sys.argv[1:], "--no-progress"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "HF_DATASETS_DISABLE_PROGRESS_BARS": "0"}, timeout=60,
    )  # fmt: skip
    bar, without = done.stderr.split("##\n")
    assert re.search(r"export: +0%.*0/44 \[", bar)
    assert re.search(r"export: 100%.*44/44 \[\d\d:\d\d<\d\d:\d\d, .* images/s\]", bar)
    assert without == ""


def test_every_option_of_a_dataset_is_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    for dataset in ("mimic-cxr-jpg", "indiana-cxr"):
        with pytest.raises(SystemExit):
            main(["export", dataset, "--help"])
        helped = capsys.readouterr().out
        config = builder_class(dataset).BUILDER_CONFIG_CLASS
        for name in {*config().key(), "connections"} - {"embed"}:
            assert f"--{name.replace('_', '-')} " in helped
        for field in ("name", "version", "data-files", "embed"):
            assert f"--{field} " not in helped
        assert {"views", "missing"} <= {field.name for field in fields(config)}
        assert "--num-proc NUM_PROC | --dask ADDRESS" in helped
        described = {name: said for name, said in option_help(config).items() if name != "embed"}
        own = {option.name: option.metadata["help"] for option in fields(ExportOptions)}
        described |= {name: said for name, said in own.items() if name != "client"}
        squeezed = "".join(helped.split())
        assert [said for said in described.values() if "".join(said.split()) not in squeezed] == []
        assert "--client" not in helped


def test_options_of_one_dataset_reach_it(
    indiana_release: Path, export_cache: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert main(["export", "indiana-cxr", "--data-dir", str(indiana_release), "--out", str(out),
                 "--config", "reports", "--split-by", "hash", "--split", "train", "test",
                 "--cache-dir", export_cache, "--no-progress"]) == 0  # fmt: skip
    assert [name.partition("-")[0] for name in files_under(out / "reports")] == ["test", "train"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--image-size", "big"], "invalid int value"),
        (["--config", "image"], "invalid choice"),
        (["--num-proc", "2", "--dask", "tcp://a:1"], "not allowed with"),
        (["--mesh-rules", "corrected"], "unrecognized arguments: --mesh-rules"),
        (["--token", "abc"], "unrecognized arguments"),
    ],
)
def test_a_wrong_word_is_answered_with_the_right_ones(
    more: list[str], said: str, words: list[str], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with pytest.raises(SystemExit) as caught:
        main([*words, *more])
    assert caught.value.code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_either_dash_names_the_dataset_and_goes_on_with_the_same_export(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--config", "reports"]
    assert main([*words, *small]) == 0
    capsys.readouterr()
    assert main([words[0], "mimic_cxr_jpg", *words[2:], *small]) == 0
    assert "(0 written now)" in capsys.readouterr().out


def test_errors_are_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--views", "sideways"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("cxr: ")
    assert printed.err.count("\n") == 1
    assert "frontal" in printed.err


def test_credentials_come_from_a_file(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = tmp_path / "options.json"
    for content, said in (("{", "JSONDecodeError"), ('["secret"]', "must hold a JSON object")):
        options.write_text(content)
        assert main([*words, "--out-options", str(options)]) == 2
        printed = capsys.readouterr().err
        assert said in printed
        assert "secret" not in printed
    assert main([*words, "--storage-options", str(tmp_path / "none.json")]) == 2
    assert "FileNotFoundError" in capsys.readouterr().err
    options.write_text(json.dumps({"auto_mkdir": True}))
    assert main([*words, "--out-options", str(options), "--no-progress"]) == 0
