"""What every verb of `cxr` keeps: one JSON object with `--json`, and what the exit codes mean."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.cli import main
from cxr_datasets.cli.common import exit_code, printed
from cxr_datasets.export import run
from cxr_datasets.wording import safe_json


@pytest.fixture
def words(indiana_release: Path, export_cache: str, tmp_path: Path) -> list[str]:
    return ["export", "indiana-cxr", "--data-dir", str(indiana_release), "--out",
            str(tmp_path / "out"), "--config", "reports", "--cache-dir", export_cache,
            "--no-progress", "--json"]  # fmt: skip


def only_object(captured: Any) -> dict[str, Any]:
    """The one JSON object that was printed, on one line."""
    assert captured.out.count("\n") == 1
    return json.loads(captured.out)


def test_export_and_verify_print_one_json_object_of_what_they_found(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    told = only_object(capsys.readouterr())
    (file,) = (tmp_path / "out" / "reports").iterdir()
    assert told == {
        "out": str(tmp_path / "out"), "config": "reports", "rows": 60,
        "bytes": file.stat().st_size, "files": 1, "written": 1, "skipped": 0,
        "without_entry": 0,
    }  # fmt: skip
    assert main(["verify", str(tmp_path / "out"), "--no-progress", "--json"]) == 0
    told = only_object(capsys.readouterr())
    assert (told["configs"], told["files"]["files"]) == (["reports"], 1)


def test_an_error_is_one_line_for_people_and_one_json_object_for_machines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(tmp_path), "--json"]) == 1
    printed = capsys.readouterr()
    told = only_object(printed)
    assert told["error"] == "ReleaseError"
    assert printed.err == f"cxr: {told['message']}\n"


def test_a_value_that_does_not_exist_is_wrong_usage_like_a_word_that_does_not(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--views", "sideways"]) == 2
    assert only_object(capsys.readouterr())["error"] == "OptionError"
    with pytest.raises(SystemExit) as ended:
        main([*words, "--sideways"])
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


def test_ctrl_c_ends_with_130_and_one_json_object(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run.workers, "write_all", stop)
    assert main(words) == 130
    printed = capsys.readouterr()
    told = only_object(printed)
    assert told["error"] == "KeyboardInterrupt"
    assert "0 of 1 files are finished" in told["message"]
    assert "Run the same command again" in printed.err


@dataclass
class Found:
    problems: int

    def __str__(self) -> str:
        return f"{self.problems} problems in s3://user:word@host/x\x1b[2J"


class Ended:
    exit_code = 7

    def as_json(self) -> dict[str, Any]:
        return {"place": "https://host/x?token=word", "\x1b": [Path("a"), float("nan"), None, True]}


def test_problems_give_the_exit_code_1_unless_the_result_has_its_own() -> None:
    assert [exit_code(found) for found in (Found(0), Found(3), Ended(), "text")] == [0, 1, 7, 0]


def test_what_is_printed_holds_no_secret_and_nothing_that_a_terminal_obeys() -> None:
    assert printed(Found(2), as_json=False) == "2 problems in s3://host/x\\x1b[2J"
    assert printed(Found(2), as_json=True) == '{"problems": 2}'
    assert json.loads(printed(Ended(), as_json=True)) == {
        "place": "https://host/x?...", "\x1b": ["a", None, None, True]
    }  # fmt: skip
    assert "\x1b" not in printed(Ended(), as_json=True)


def test_a_name_that_a_terminal_would_obey_is_read_back_as_it_is() -> None:
    name = "a\x1b[2J\u202e\x7f\n.png"
    assert safe_json(name).isprintable()
    assert json.loads(safe_json(name)) == name
