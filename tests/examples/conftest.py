"""A folder to run the examples in, with invented releases, and a place for their pictures.

Tests take smaller releases and fewer epochs than the scripts tell users to take. With CXR_GALLERY=1
they do all as the scripts say, and the pictures go to examples/pictures.
"""

from __future__ import annotations

import os
import runpy
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import datasets
import pytest

from cxr_datasets.cli import main
from tests.examples.scripts import EXAMPLES, SCRIPTS, commands

GALLERY = bool(os.environ.get("CXR_GALLERY"))
QUICK = {
    "--patients": "60", "--studies": "40", "--scale": "0.0625",
    "classifier": ["--epochs", "2"], "report_generation": ["--epochs", "2"],
}  # fmt: skip

Run = Callable[..., Path]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every `cxr synthesize` that an example shows was run."""
    desk = tmp_path_factory.mktemp("desk")
    shown = {tuple(words) for script in SCRIPTS for words in commands(script) if words[0] == "cxr"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(desk)
        for words in sorted(shown):
            assert main(_quick(list(words[1:]))) == 0
    return desk


def _quick(words: list[str]) -> list[str]:
    """The same command for a smaller release."""
    if GALLERY:
        return words
    pairs = zip(["", *words], words, strict=False)
    return [QUICK.get(option, word) if option in QUICK else word for option, word in pairs]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread: the networks are small, and other tests run beside."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def run(
    desk: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """Runs a script by the command that its docstring shows; gives the folder it drew into."""
    monkeypatch.chdir(desk)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", desk / "cache")
    monkeypatch.setenv("MPLBACKEND", "agg")
    before = set(sys.modules)

    def run_script(script: str, **given: str) -> Path:
        (words,) = (words for words in commands(script) if f"examples/{script}.py" in words)
        words = words[1:] + ([] if GALLERY else QUICK.get(script, []))
        for option, value in given.items():
            words[words.index(f"--{option}") + 1] = value
        monkeypatch.setattr(sys, "argv", words)
        runpy.run_path(str(EXAMPLES / f"{script}.py"), run_name="__main__")
        if GALLERY and (desk / "pictures").exists():
            shutil.copytree(desk / "pictures", EXAMPLES / "pictures", dirs_exist_ok=True)
        return desk / "pictures"

    yield run_script
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "").parent == EXAMPLES:
            del sys.modules[name]
