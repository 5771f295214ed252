"""Every block of every page runs as it stands, or says why it does not.

The snippets of a page are run in their order, in one Python, in a folder where synthetic releases
stand at the places the page names. What is shown after a snippet is what it prints. A block that is
part of a file says of which.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.docs.pages import CHECKOUT, PAGES, Block, blocks, run_blocks
from tests.forked import can_fork, shared_forks

DRIVER = Path(__file__).with_name("driver.py")
KINDS = ("python", "sh", "text", "tree")


def run(words: list[str], cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def run_page(
    words: list[str], cwd: Path, stores: dict[str, str], more: dict[str, str], with_torch: bool
) -> subprocess.CompletedProcess[str]:
    """Run the driver, in a process forked from one that has imported `datasets` if that is safe."""
    if not can_fork():
        return run([sys.executable, *words], cwd, **stores, **more)
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT), **stores, **more}
    modules = ("torch.utils.data",) if with_torch else ()
    return shared_forks().run(words, cwd=cwd, env=env, timeout=300, modules=modules)


def names_torch(step: dict[str, Any]) -> bool:
    return re.search(r"\btorch|ImageTransform", step.get("code", "")) is not None


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_run_or_says_why_not(page: str) -> None:
    for block in blocks(page):
        if block.note and "generated" not in block.note:
            assert block.excuse or block.source or block.warnings or block.needs, (
                f"{block.place}: not understood: {block.note}"
            )
        if block.note.startswith("not run"):
            assert len(block.excuse.split()) >= 3, f"{block.place}: no reason is given"
        elif not block.source:
            assert block.language in KINDS, f"{block.place}: neither run nor excused"


PHYSIONET = "https://physionet.org/files"
"""What pages say; here it is the loopback PhysioNet."""


def steps_of(page: str) -> list[dict[str, Any]]:
    """What is run of a page."""
    steps: list[dict[str, Any]] = []
    before = None
    for block in blocks(page):
        if block.excuse or block.source:
            before = None
        elif block.language == "python":
            steps.append({"place": block.place, "line": block.line, "code": block.text})
            before = block
        elif block.language == "sh":
            steps += [
                {"place": block.place, "cxr": words[1:]}
                for words in block.commands()
                if words[0] == "cxr"
            ]
            before = block
        elif block.language == "text" and before is not None and not is_demo(before):
            assert steps[-1]["place"] == before.place, block.place
            steps[-1]["prints"] = block.text
            before = None
        elif block.language == "text":
            assert before is not None, f"{block.place}: not the output of the block before it"
    return steps


PROGRESS = ("export:", "look:", "download:")
"""How the lines of progress bars begin."""

EVERY_FIRST_LOAD = re.compile(
    r"\d+ of \d+ studies (have no report in \S*/mimic\S*: their columns of"
    r"|in \S*/mimic\S* have images of more than one StudyDate or StudyTime)"
)
"""What every first load of an invented copy says, for it lacks a few texts, and has a study whose
images differ in their times; docs/data.md tells."""


def is_demo(block: Block) -> bool:
    return block.language == "sh" and ["make", "demo"] in block.commands()


@pytest.mark.parametrize("page", [page for page in PAGES if steps_of(page)])
def test_the_snippets_run_in_order(
    page: str, own_desk: Path, stores: dict[str, str], tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    steps = steps_of(page)
    for step in steps:
        if "code" in step:
            ours = f"https://{stores['PHYSIONET_HOST']}/files"
            step["code"] = step["code"].replace(PHYSIONET, ours)
    file = tmp_path_factory.mktemp("steps") / "steps.json"
    file.write_text(json.dumps(steps))
    words = ["-W", "error::DeprecationWarning:__main__", str(DRIVER), str(file)]
    bucket = request.getfixturevalue("bucket") if "s3://" in file.read_text() else {}
    with_torch = any(names_torch(step) for step in steps)
    if with_torch and find_spec("torch") is None:
        pytest.skip("torch is not installed")
    done = run_page(words, own_desk, stores, bucket, with_torch)
    assert done.returncode == 0, done.stdout + done.stderr
    said = [line for line in re.split(r"[\r\n]+", done.stderr) if not line.startswith(PROGRESS)]
    # No warning but those that the page announces, and nothing else but progress.
    announced = [part for block in blocks(page) for part in block.warnings]
    warned = [line for line in said if line and not EVERY_FIRST_LOAD.match(line)]
    assert len(warned) == len(announced), warned
    assert all(part in line for part, line in zip(announced, warned, strict=True)), warned
    assert done.stdout.count("## ") == len(steps) > 0


def test_a_block_that_is_part_of_a_file_is_so() -> None:
    for page in PAGES:
        for block in blocks(page):
            if block.source:
                assert block.text in (CHECKOUT / block.source).read_text("utf-8"), block.place


def test_every_shell_command_is_one_that_can_be_checked() -> None:
    commands = [words for block in run_blocks("sh") for words in block.commands()]
    assert {words[0] for words in commands} == {"cxr", "make", "pip"}


def test_every_make_command_has_its_target() -> None:
    commands = [words for block in run_blocks("sh") for words in block.commands()]
    targets = re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    for words in commands:
        if words[0] == "make":
            dry = run([*words, "--dry-run", "--no-print-directory"], CHECKOUT)
            assert dry.returncode == 0, dry.stderr
            assert dry.stdout.strip()
            assert words[1] in targets


def test_what_pip_is_told_to_install_is_this_project() -> None:
    commands = [words for block in run_blocks("sh") for words in block.commands()]
    assert [words for words in commands if words[0] == "pip"] == [["pip", "install", "."]]
    assert 'name = "cxr-datasets"' in (CHECKOUT / "pyproject.toml").read_text()


def test_output_of_the_demo_is_what_it_prints(own_desk: Path, tmp_path: Path) -> None:
    shown = [
        after
        for page in PAGES
        for block, after in zip(blocks(page), blocks(page)[1:], strict=False)
        if is_demo(block) and after.language == "text"
    ]
    assert shown
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT), "HF_HOME": str(tmp_path)}
    done = forked.run(["-m", "cxr_datasets.preview"], cwd=own_desk, env=env)
    assert done.returncode == 0, done.stderr
    for block in shown:
        assert block.text in done.stdout, block.place


def test_the_folders_shown_are_those_of_a_release(desk: Path) -> None:
    trees = run_blocks("tree")
    assert len(trees) == 2
    for block in trees:
        parents: list[tuple[int, str]] = []
        for line in block.text.splitlines():
            name = re.sub(" +#.*", "", line)
            depth = len(name) - len(name.lstrip())
            parents = [parent for parent in parents if parent[0] < depth]
            path = "".join(parent for _, parent in parents) + name.strip()
            pattern = re.sub("<[^>]+>", "*", path).replace("pXX", "p??")
            assert list(desk.glob(pattern)), f"{block.place}: {path}"
            if name.endswith("/"):
                parents.append((depth, path[len("".join(p for _, p in parents)) :]))
