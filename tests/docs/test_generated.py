"""Tables that follow from the code are up to date, and how they are made."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.docs.pages import CHECKOUT


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", CHECKOUT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(sys.version_info < (3, 11), reason="argparse of 3.10 tells of more defaults")
def test_the_tables_are_up_to_date(
    generate: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().out


def test_a_table_that_is_old_is_named_and_then_mended(
    generate: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "docs").mkdir()
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- generated: labels -->\nold\n<!-- end of generated -->\nafter\n")
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    assert generate.main(["--check"]) == 1
    assert "README.md is out of date" in capsys.readouterr().out
    assert "old" in page.read_text()
    assert generate.main([]) == 0
    text = page.read_text()
    assert "old" not in text
    assert "Atelectasis, " in text
    assert text.startswith("before\n<!-- generated: labels -->\n")
    assert text.endswith("<!-- end of generated -->\nafter\n")
    assert generate.main(["--check"]) == 0


def test_every_command_and_option_is_listed(generate: ModuleType) -> None:
    text = generate.commands()
    for heading in ("cxr synthesize DATASET", "cxr export DATASET", "cxr verify", "cxr push"):
        assert f"## {heading}\n" in text
    for option in ("--patients PATIENTS", "--data-dir DATA_DIR", "--i-have-signed-the-dua"):
        assert f"| `{option}` |" in text
    assert text.count("| `--data-dir") == 1  # what datasets share stands once


def test_the_parser_of_a_command_is_the_one_that_help_would_show(generate: ModuleType) -> None:
    parser = generate.parser_of("push")
    assert isinstance(parser, argparse.ArgumentParser)
    assert parser.prog == "cxr push"


def test_a_cell_with_a_bar_does_not_end_there(generate: ModuleType) -> None:
    assert generate.markdown_table(["a"], [["b|c"]]) == "\n| a |\n|---|\n| b\\|c |\n\n"
