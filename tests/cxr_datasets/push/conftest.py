"""Finished exports, a loopback Hub, and a process that pushes to it, one call after another."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.export import export
from tests.fakes.hub import Account, Client, Hub, Repo

ALICE, ALICE_READS, BOB = "hf_alice_writes", "hf_alice_reads", "hf_bob_writes"

USERS = {
    "alice": Account(ALICE, orgs=("lab",), read_token=ALICE_READS),
    "bob": Account(BOB, orgs=("lab", "others")),
}

_PROGRAM = """
import contextlib, io, json, os, time, warnings
from pathlib import Path

from cxr_datasets.storage import retry
from cxr_datasets.cli import main
from cxr_datasets.errors import CxrError
from cxr_datasets.push import contents, push

retry.FIRST_WAIT = 0.01  # and with it all waits
contents.FILES_A_COMMIT = 2

def call(folder, repo, **options):
    try:
        summary = push(folder, repo, **options)
    except CxrError as error:
        return {"error": type(error).__name__, "text": str(error)}
    return {"error": None, "text": str(summary), "summary": vars(summary)}

def command(*words):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return {"error": code or None, "text": err.getvalue(), "summary": out.getvalue()}

for number in range(1000):
    job, answer = Path(jobs, f"{number}.job"), Path(jobs, f"{number}.answer")
    while not job.exists():
        time.sleep(0.005)
    asked = json.loads(job.read_text())
    os.environ["HF_TOKEN"] = asked["token"]
    result = (command if asked["words"] else call)(*asked["words"], **asked["options"])
    answer.with_suffix(".part").write_text(json.dumps(result))
    answer.with_suffix(".part").rename(answer)
"""


@dataclass(frozen=True)
class Outcome:
    """How a push ended.

    Attributes:
        error: Name of the error's class, or the command's exit code; None: it went well.
        text: What the error, or the summary, says.
        summary: Attributes of the summary, or what the command printed.
    """

    error: Any
    text: str
    summary: Any = None


class Pusher:
    """A process that calls `push` again and again, because to start one takes longer than a push.

    Attributes:
        home: Its Hugging Face home and current folder; `output.txt` in it is what it printed.
    """

    def __init__(self, client: Client, jobs: Path, home: Path) -> None:
        self.home = home
        self._client = client
        self._jobs = jobs
        self._numbers = itertools.count()

    def start(
        self, folder: Path | str = "", repo: str = "", token: str | None = ALICE, **options: Any
    ) -> int:
        """Begin a push; gives its number."""
        return self._ask({"folder": str(folder), "repo": repo, **options}, (), token)

    def command(self, *words: str, token: str | None = ALICE) -> Outcome:
        """Run `cxr`."""
        return self.outcome(self._ask({}, words, token))

    def __call__(self, *args: Any, **options: Any) -> Outcome:
        """Push, without loading the copy back unless `verify` is given."""
        return self.outcome(self.start(*args, **{"verify": False, **options}))

    def outcome(self, number: int, timeout: float = 60) -> Outcome:
        answer = self._jobs / f"{number}.answer"
        deadline = time.monotonic() + timeout
        while not answer.exists():
            assert self._client.process.poll() is None, (self.home / "output.txt").read_text()
            assert time.monotonic() < deadline, "no answer"
            time.sleep(0.005)
        return Outcome(**json.loads(answer.read_text()))

    def _ask(self, options: dict[str, Any], words: tuple[str, ...], token: str | None) -> int:
        number = next(self._numbers)
        job = self._jobs / f"{number}.job"
        asked = {"options": options, "words": words, "token": token or ""}
        job.with_suffix(".part").write_text(json.dumps(asked))
        job.with_suffix(".part").rename(job)
        return number


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    """A Hub for the tests of a module, each of which uses repositories of its own."""
    with Hub(USERS, part_size=64 * 1024) as hub:
        yield hub


@pytest.fixture(scope="module")
def pusher(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pusher]:
    home, jobs = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("jobs")
    with Client(hub, _PROGRAM, home=home, jobs=str(jobs)) as client:
        yield Pusher(client, jobs, home)


@pytest.fixture(scope="session")
def mimic_export(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images and reports of a small MIMIC-CXR-JPG, in several files. Read only: change a copy."""
    out = tmp_path_factory.mktemp("export") / "mimic"
    cache = str(tmp_path_factory.mktemp("export") / "cache")
    for config, rows in (("images", 8), ("reports", None)):
        export(
            "mimic-cxr-jpg", small_release, out, config=config, rows_per_file=rows,
            cache_dir=cache, progress=False,
        )  # fmt: skip
    return out


@pytest.fixture(scope="session")
def indiana_export(indiana_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Studies of a small Indiana, made smaller. Read only: change a copy."""
    out = tmp_path_factory.mktemp("export") / "indiana"
    cache = str(tmp_path_factory.mktemp("export") / "cache")
    export(
        "indiana-cxr", indiana_release, out, config="studies", image_size=32, cache_dir=cache,
        progress=False,
    )  # fmt: skip
    return out


def exported(folder: Path) -> dict[str, bytes]:
    """The files of an export that belong in the repository."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".cxr" not in path.parts
    }


def data(repo: Repo) -> dict[str, bytes]:
    """The files of a repository, without the one that the Hub adds."""
    return {name: content for name, content in repo.files.items() if name != ".gitattributes"}
