"""Rows with an agreement go to no place of the Hub that others can see, by no call of `datasets`.

The real `datasets` and `huggingface_hub` call a Hub on loopback, which notes all that is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import pytest

from cxr_datasets.export import export
from tests.fakes.hub import Account, Hub, run_client

ALICE, BOB = "hf_alice_writes", "hf_bob_writes"
USERS = {"alice": Account(ALICE, orgs=("lab",)), "bob": Account(BOB)}

AGREEMENT = "https://physionet.org/content/mimic-cxr-jpg/view-dua/2.1.0/"

STREAMS_PUSH = hasattr(datasets.IterableDataset, "push_to_hub")
HAS_BUCKETS = hasattr(huggingface_hub.HfApi, "bucket_info")

KINDS = ["Dataset", "DatasetDict", *(["IterableDataset", "IterableDatasetDict"] * STREAMS_PUSH)]

PUBLIC, GATED, MADE = "is public", "is public, with gated access", "would be created public"

TARGETS: dict[str, tuple[dict[str, Any], str, str]] = {
    "public": ({"repo_id": "alice/public"}, "alice/public", PUBLIC),
    "public, private=True": ({"repo_id": "alice/public", "private": True}, "alice/public", PUBLIC),
    "gated": ({"repo_id": "alice/auto"}, "alice/auto", GATED),
    "gated by hand": ({"repo_id": "alice/manual", "private": True}, "alice/manual", GATED),
    "not there": ({"repo_id": "alice/new"}, "alice/new", MADE),
    "not there, private=False": ({"repo_id": "alice/new", "private": False}, "alice/new", MADE),
    "not there, of an organization": ({"repo_id": "lab/new"}, "lab/new", "an organization has"),
    "public, without its owner": (
        {"repo_id": "public", "private": True}, "alice/public", PUBLIC,
    ),
    "not there, without its owner": ({"repo_id": "new"}, "alice/new", MADE),
    "a branch": ({"repo_id": "alice/public", "revision": "draft"}, "alice/public", PUBLIC),
    "a pull request": ({"repo_id": "alice/public", "create_pr": True}, "alice/public", PUBLIC),
    "another's": ({"repo_id": "bob/public"}, "bob/public", PUBLIC),
    "a token of the call": ({"repo_id": "bob/public", "token": BOB}, "bob/public", PUBLIC),
    "in several processes": ({"repo_id": "alice/public", "num_proc": 2}, "alice/public", PUBLIC),
    "unanswered": ({"repo_id": "alice/unanswered"}, "alice/unanswered", "could not be found out"),
    **({
        "a bucket": ({"repo_id": "buckets/alice/open/in/it"}, "alice/open", PUBLIC),
        "a bucket that is not there": ({"repo_id": "buckets/alice/none"}, "alice/none", MADE),
    } if HAS_BUCKETS else {}),
}  # fmt: skip

ONLY_NEWER = ("in several processes",)
"""What `push_to_hub` of `datasets` 3 has no argument for."""

STEPS = {
    "map": "rows.map(lambda row: {'n': 1})",
    "select": "rows.select([1, 0])",
    "shuffle": "rows.shuffle(seed=1)",
    "filter": "rows.filter(lambda row: True)",
    "cast_column": "rows.cast_column('study_id', datasets.Value('string'))",
    "remove_columns": "rows.remove_columns('findings')",
    "with_format": "rows.with_format('numpy')",
    "train_test_split": "datasets.DatasetDict(rows.train_test_split(0.5))",
    "concatenate before": "datasets.concatenate_datasets([rows, free])",
    "concatenate after": "datasets.concatenate_datasets([free, rows])",
    "interleave": "datasets.interleave_datasets([free, rows])",
    "one split of several": "datasets.DatasetDict(train=free, test=rows)",
    "save_to_disk": "saved(rows)",
    "an export": "datasets.load_dataset(exported, cache_dir='cache')",
    "files of an export": "datasets.load_dataset('parquet', data_dir=exported + '/reports')",
    "a private copy": "copy",
    "a private copy, changed": "copy.map(lambda row: {'n': 1})['train'].shuffle(seed=1)",
    **({
        "to_iterable_dataset": "rows.to_iterable_dataset()",
        "a stream, changed": "stream.map(lambda row: {'n': 1}).shuffle(seed=1).take(3)",
        "streams together": "datasets.concatenate_datasets([free.to_iterable_dataset(), stream])",
        "an export, streamed": "datasets.load_dataset(exported, streaming=True)",
        "a private copy, streamed":
            "datasets.load_dataset('alice/copy', streaming=True)['train']",
    } if STREAMS_PUSH else {}),
}  # fmt: skip

FILES = {
    "to_parquet": "rows.to_parquet('hf://datasets/alice/public/a.parquet')",
    "to_csv": "rows.to_csv('hf://datasets/alice/public@main/a.csv')",
    "to_json": "rows.to_json('hf://datasets/alice/public/folder/a.json')",
    "save_to_disk": "rows.save_to_disk('hf://datasets/alice/public/folder')",
    "save_to_disk of splits": "splits.save_to_disk('hf://datasets/alice/public/folder')",
    "to_csv with a token":
        "rows.to_csv('hf://datasets/bob/public/a.csv', storage_options={'token': bob})",
    "a builder": "built.download_and_prepare('hf://datasets/alice/public/built')",
    "a builder, by name": "built.download_and_prepare("
        "output_dir='hf://datasets/alice/public', file_format='parquet')",
    "through a cache": "rows.to_csv('simplecache::hf://datasets/alice/public/a.csv')",
    **({
        "to_parquet of a stream": "stream.to_parquet('hf://datasets/alice/public/a.parquet')",
        "to_csv of a stream": "stream.to_csv('hf://datasets/alice/public/a.csv')",
        "to_json of a stream": "stream.to_json('hf://datasets/alice/public/a.json')",
    } if STREAMS_PUSH else {}),
}  # fmt: skip

SETTING = """
import datasets, logging
import indiana_cxr, mimic_cxr_jpg
from cxr_datasets.errors import CxrError

options = dict(data_dir=release, cache_dir="cache")
splits = datasets.load_dataset("mimic_cxr_jpg", "reports", **options)
splits = splits.select_columns(["study_id", "findings"])
rows = splits["train"]
streams = datasets.load_dataset("mimic_cxr_jpg", "reports", streaming=True, **options)
streams = streams.select_columns(["study_id", "findings"])
stream = streams["train"]
free = datasets.load_dataset(
    "indiana_cxr", "reports", data_dir=free_release, cache_dir="cache", split="train"
).select_columns(["study_id", "findings"])
things = dict(
    Dataset=rows, DatasetDict=splits, IterableDataset=stream, IterableDatasetDict=streams
)

built = datasets.load_dataset_builder("mimic_cxr_jpg", "reports", **options)

def saved(rows):
    rows.save_to_disk("saved")
    return datasets.load_from_disk("saved")

def tried(call):
    try:
        call()
    except Exception as error:
        return [type(error).__name__, isinstance(error, CxrError), str(error)]
"""

REFUSED = (
    SETTING
    + """
copy = datasets.load_dataset("alice/copy", cache_dir="cache")
result = {}
for kind in kinds:
    for name, (given, _, _) in targets.items():
        result[f"{kind}, {name}"] = tried(lambda: things[kind].push_to_hub(**given))
for name, step in steps.items():
    changed = eval(step)
    result[name] = tried(lambda: changed.push_to_hub("alice/public", "default"))
for name, call in files.items():
    result[f"file, {name}"] = tried(lambda: eval(call))
"""
)


@dataclass(frozen=True)
class Refusals:
    """What became of all calls, and what they asked the Hub for.

    Attributes:
        errors: Class, whether it is ours, and text of each call's error, or None, by its name.
        changing: Requests that change something, of all calls together.
        users: Whose token came with the looks at a repository, by its name.
    """

    errors: dict[str, Any]
    changing: list[str]
    users: dict[str, set[str | None]]


@pytest.fixture(scope="module")
def exported(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "out"
    cache = str(tmp_path_factory.mktemp("cache"))
    export("mimic-cxr-jpg", small_release, out, config="reports", cache_dir=cache, progress=False)
    return out


@pytest.fixture(scope="module")
def arguments(small_release: Path, indiana_release: Path, exported: Path) -> dict[str, Any]:
    return {
        "release": str(small_release), "free_release": str(indiana_release),
        "exported": str(exported), "bob": BOB,
    }  # fmt: skip


def targets() -> dict[str, Any]:
    older = datasets.__version__.startswith("3.")
    return {name: given for name, given in TARGETS.items() if not (older and name in ONLY_NEWER)}


@pytest.fixture(scope="module")
def refusals(arguments: dict[str, Any], exported: Path) -> Refusals:
    with Hub(USERS) as hub:
        for name in ("alice/public", "bob/public"):
            hub.create(name)
        hub.create("alice/auto", gated="auto")
        hub.create("alice/manual", gated="manual")
        hub.buckets["alice/open"] = False
        files = {file.name: file.read_bytes() for file in exported.glob("reports/train-*")}
        hub.create("alice/copy", private=True, files=files)
        hub.fail("^/api/datasets/alice/unanswered", status=403, times=None)
        errors = run_client(
            hub, REFUSED, token=ALICE, timeout=300, kinds=KINDS, targets=targets(), steps=STEPS,
            files=FILES, **arguments,
        )  # fmt: skip
        changing = [
            f"{asked.method} {asked.path}" for asked in hub.requests
            if asked.method not in ("GET", "HEAD")
        ]  # fmt: skip
        asked = hub.asked("^/api/datasets/[^/]+/[^/]+$")
        users = {
            name: {each.user for each in asked if each.path == f"/api/datasets/{name}"}
            for name in hub.repos
        }
        assert sorted(hub.repos) == [
            "alice/auto", "alice/copy", "alice/manual", "alice/public", "bob/public"
        ]  # fmt: skip
    return Refusals(errors, changing, users)


def check(refused: Any, place: str, found: str) -> None:
    assert refused is not None, "it went there"
    name, is_ours, text = refused
    assert (name, is_ours) == ("HubError", True), text
    for words in (place, found, "Nothing was sent"):
        assert words in text
    if found != "could not be found out":
        for words in (AGREEMENT, "private", "cxr push"):
            assert words in text
    assert not any(token in text for token in (ALICE, BOB))


@pytest.mark.parametrize("target", targets())
@pytest.mark.parametrize("kind", KINDS)
def test_a_push_to_a_place_that_others_see_is_refused_before_anything_is_sent(
    kind: str, target: str, refusals: Refusals
) -> None:
    _, place, found = TARGETS[target]
    refused = refusals.errors[f"{kind}, {target}"]
    check(refused, place, found)
    assert ("private=True" in refused[2]) == (target != "unanswered")
    assert refusals.changing == []


@pytest.mark.parametrize("step", STEPS)
def test_rows_that_were_changed_saved_or_loaded_back_are_refused_too(
    step: str, refusals: Refusals
) -> None:
    check(refusals.errors[step], "alice/public", PUBLIC)
    assert refusals.changing == []


@pytest.mark.parametrize("call", FILES)
def test_a_file_for_a_place_that_others_see_is_refused_before_anything_is_sent(
    call: str, refusals: Refusals
) -> None:
    place = "bob/public" if "bob" in FILES[call] else "alice/public"
    check(refusals.errors[f"file, {call}"], place, PUBLIC)
    assert refusals.changing == []


def test_the_look_is_made_with_the_token_of_the_call(refusals: Refusals) -> None:
    assert refusals.users["alice/public"] == {"alice"}
    assert refusals.users["bob/public"] == {"alice", "bob"}


ALLOWED = (
    SETTING
    + """
from cxr_datasets.push import push_anywhere

class Kept(logging.Handler):
    def emit(self, record):
        lines.append(record.getMessage())

lines = []
logging.getLogger("cxr_datasets").addHandler(Kept())
result = {}
for kind in kinds:
    result[f"{kind}, there"] = tried(lambda: things[kind].push_to_hub(f"alice/there-{kind}"))
    result[f"{kind}, made"] = tried(
        lambda: things[kind].push_to_hub(f"alice/made-{kind}", private=True)
    )
    result[f"{kind}, token"] = tried(
        lambda: things[kind].push_to_hub(f"bob/hidden-{kind}", token=bob)
    )
result["bare"] = tried(lambda: rows.push_to_hub("bare", private=True))
result["free"] = tried(lambda: free.push_to_hub("alice/free"))
result["made from free"] = tried(
    lambda: datasets.concatenate_datasets([free, free]).push_to_hub("alice/free-too")
)
result["file"] = tried(lambda: rows.to_parquet("hf://datasets/alice/files/a.parquet"))
result["disk"] = tried(lambda: rows.to_csv("a.csv"))
result["wrong"] = tried(lambda: rows.push_to_hub("alice/free", nothing=1))
said_before = list(lines)
with push_anywhere():
    result["anywhere"] = tried(lambda: rows.push_to_hub("alice/anywhere"))
    result["anywhere again"] = tried(lambda: rows.push_to_hub("alice/anywhere", "again"))
result["after"] = tried(lambda: rows.push_to_hub("alice/anywhere"))
result = [result, said_before, lines]
"""
)


def test_a_private_place_takes_what_it_took_before(arguments: dict[str, Any]) -> None:
    with Hub(USERS) as hub:
        for kind in KINDS:
            hub.create(f"alice/there-{kind}", private=True)
            hub.create(f"bob/hidden-{kind}", private=True)
        hub.create("alice/files", private=True)
        result, said_before, said = run_client(
            hub, ALLOWED, token=ALICE, timeout=300, kinds=KINDS, **arguments
        )
        after, wrong = result.pop("after"), result.pop("wrong")
        assert {name: error for name, error in result.items() if error} == {}
        for kind in KINDS:
            for name in (f"alice/there-{kind}", f"alice/made-{kind}", f"bob/hidden-{kind}"):
                assert hub.repos[name].private
                assert any(file.endswith(".parquet") for file in hub.repos[name].files), name
        assert hub.repos["alice/bare"].private
        assert "a.parquet" in hub.repos["alice/files"].files
        assert wrong[0] == "TypeError"  # as `datasets` says it
        # Rows of others are not looked after.
        assert not hub.repos["alice/free"].private
        assert not hub.repos["alice/free-too"].private
        # The way round is told once, and ends with its block.
        assert not hub.repos["alice/anywhere"].private
        assert said_before == []
        assert len(said) == 1
        for words in ("push_anywhere", "alice/anywhere", AGREEMENT):
            assert words in said[0]
        check(after, "alice/anywhere", PUBLIC)
