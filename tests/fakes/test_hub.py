"""What the real `huggingface_hub` and `datasets` make of the loopback Hub."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import pytest

from tests.fakes.hub import Account, Hub
from tests.fakes.hub_client import Client, ClientFailed, run_client

ALICE, ALICE_READS, BOB = "hf_alice_writes", "hf_alice_reads", "hf_bob_writes"

USERS = {
    "alice": Account(ALICE, orgs=("lab",), read_token=ALICE_READS),
    "bob": Account(BOB),
}

PART = 64 * 1024

CARD = b"---\nlicense: mit\n---\n# Invented\n"

UPLOADS = [
    name
    for name in ("upload_folder", "upload_large_folder")
    if hasattr(huggingface_hub.HfApi, name)
]
"""Ways of the installed client to upload a folder; clients of version 2 have only the first."""

PUSHED = [
    name
    for name in ("Dataset", "IterableDataset")
    if hasattr(getattr(datasets, name), "push_to_hub")
]

OUTCOME = """
def outcome(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except Exception as error:
        response = getattr(error, "response", None)
        return [type(error).__name__, getattr(response, "status_code", None)]
    return ["fine", None]
"""

ROWS = """
import datasets
from PIL import Image

def rows(count):
    for i in range(count):
        Image.new("L", (8, 8), 10 * i).save(f"{i}.png")
    features = datasets.Features({"image": datasets.Image(), "number": datasets.Value("int64")})
    data = {"image": [f"{i}.png" for i in range(count)], "number": list(range(count))}
    return datasets.Dataset.from_dict(data, features=features)

def seen(rows):
    return [[row["number"], row["image"].getpixel((3, 3)), list(row["image"].size)] for row in rows]
"""

SEEN = [[i, 10 * i, [8, 8]] for i in range(5)]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub(USERS, part_size=PART) as hub:
        yield hub


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a card, and files of each kind and size class that a Hub tells apart."""
    folder = tmp_path / "folder"
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_bytes(CARD)
    (folder / "notes.txt").write_bytes(b"a few notes\n")
    (folder / "empty.txt").write_bytes(b"")
    (folder / "data" / "small.bin").write_bytes(os.urandom(1000))
    (folder / "data" / "one part.bin").write_bytes(os.urandom(PART))
    (folder / "data" / "three parts.bin").write_bytes(os.urandom(2 * PART + 1))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder, but for what the client itself keeps there."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".cache" not in path.parts
    }


def pushed(hub: Hub, repo_id: str) -> dict[str, bytes]:
    """The files of a repository, but for the one that the Hub puts there."""
    return {path: data for path, data in hub.repos[repo_id].files.items() if path[0] != "."}


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_folder_arrives_in_a_new_private_repository(
    in_memory: bool, folder: Path, tmp_path: Path
) -> None:
    with Hub(USERS, part_size=PART, folder=None if in_memory else tmp_path / "contents") as hub:
        created, private, sha, commit = run_client(
            hub,
            """
            from huggingface_hub import HfApi
            api = HfApi()
            created = api.create_repo("alice/films", repo_type="dataset", private=True)
            commit = api.upload_folder(
                repo_id="alice/films", repo_type="dataset", folder_path=folder, commit_message="All"
            )
            info = api.dataset_info("alice/films")
            result = [created.repo_id, info.private, info.sha, commit.oid]
            """,
            token=ALICE,
            folder=str(folder),
        )
        repo = hub.repos["alice/films"]
        assert (created, private, sha) == ("alice/films", True, commit)
        assert repo.private
        assert pushed(hub, "alice/films") == contents(folder)
        assert [commit.title for commit in repo.commits] == ["initial commit", "All"]
        assert repo.commits[-1].author == "alice"
        by_lfs = {path for path, blob in repo.commits[-1].files.items() if blob.lfs}
        assert by_lfs == {"data/small.bin", "data/one part.bin", "data/three parts.bin"}
        assert sorted(put.received for put in hub.asked("^/_storage/objects", "PUT")) == [
            1000,
            PART,
        ]
        assert [put.received for put in hub.asked("^/_storage/parts")] == [PART, PART, 1]
        assert len(hub.asked("^/_storage/complete", "POST")) == 1
        assert {request.user for request in hub.asked("^/_storage")} == {None}


def test_what_is_there_already_is_neither_sent_nor_committed_again(hub: Hub, folder: Path) -> None:
    hub.create("alice/films", private=True, files=contents(folder))
    program = """
        from huggingface_hub import HfApi
        for _ in range(2):
            HfApi().upload_folder(repo_id="alice/films", repo_type="dataset", folder_path=folder)
    """
    (folder / "data" / "new.bin").write_bytes(b"new")
    run_client(hub, program, token=ALICE, folder=str(folder))
    assert [put.received for put in hub.asked("^/_storage", "PUT")] == [3]
    assert len(hub.repos["alice/films"].commits) == 3
    assert pushed(hub, "alice/films") == contents(folder)


def test_contents_of_one_repository_are_of_no_use_in_another(hub: Hub) -> None:
    hub.create("bob/films", files={"a.bin": b"of bob"})
    hub.create("alice/films")
    program = """
        from huggingface_hub import HfApi
        HfApi().upload_file(
            repo_id="alice/films", repo_type="dataset", path_in_repo="b.bin",
            path_or_fileobj=b"of bob",
        )
    """
    run_client(hub, program, token=ALICE)
    assert len(hub.asked("^/_storage", "PUT")) == 1
    assert pushed(hub, "alice/films") == {"b.bin": b"of bob"}


def test_files_are_listed_and_read_back_whole_and_in_ranges(folder: Path) -> None:
    with Hub(USERS, page_size=2) as hub:
        hub.create("alice/films", private=True, files=contents(folder))
        result = run_client(
            hub,
            """
            from huggingface_hub import HfApi, HfFileSystem, hf_hub_download
            api, fs, root = HfApi(), HfFileSystem(), "datasets/alice/films"
            repo = dict(repo_id="alice/films", repo_type="dataset")
            dated = api.get_paths_info(**repo, paths=["data"], expand=True)
            large, small = f"{root}/data/three parts.bin", f"{root}/notes.txt"
            with fs.open(large) as file:
                file.seek(100_000)
                middle = file.read(10).hex()
            result = {
                "tree": [entry.path for entry in api.list_repo_tree(**repo, recursive=True)],
                "root": [entry.path for entry in api.list_repo_tree(**repo)],
                "info": [
                    [entry.path, getattr(entry, "size", None), bool(getattr(entry, "lfs", None))]
                    for entry in api.get_paths_info(
                        **repo, paths=["data", "data/small.bin", "notes.txt", "none"]
                    )
                ],
                "from": dated[0].last_commit.title,
                "siblings": len(api.dataset_info("alice/films", files_metadata=True).siblings),
                "card": api.dataset_info("alice/films").card_data.license,
                "ls": fs.ls(f"{root}/data", detail=False),
                "size": fs.info(large)["size"],
                "there": [fs.exists(large), fs.exists(f"{root}/none")],
                "cat": fs.cat(small).decode(),
                "start": fs.cat_file(large, start=5, end=9).hex(),
                "end": fs.cat_file(small, start=-6).decode(),
                "middle": middle,
                "downloaded": [
                    open(hf_hub_download(**repo, filename=name), "rb").read().hex()
                    for name in ("notes.txt", "data/small.bin")
                ],
            }
            """,
            token=ALICE,
        )
    local = contents(folder)
    large = local["data/three parts.bin"]
    assert result["tree"] == sorted([*local, "data", ".gitattributes"])
    assert result["root"] == [".gitattributes", "README.md", "data", "empty.txt", "notes.txt"]
    assert result["info"] == [
        ["data", None, False], ["data/small.bin", 1000, True], ["notes.txt", 12, False],
    ]  # fmt: skip
    assert result["from"] == "Add files"
    assert result["siblings"] == len(local) + 1
    assert result["card"] == "mit"
    root = "datasets/alice/films/data"
    assert result["ls"] == [f"{root}/{name}.bin" for name in ("one part", "small", "three parts")]
    assert result["size"] == len(large)
    assert result["there"] == [True, False]
    assert result["cat"] == "a few notes\n"
    assert (result["start"], result["middle"]) == (large[5:9].hex(), large[100_000:100_010].hex())
    assert result["end"] == "notes\n"
    assert result["downloaded"] == [local["notes.txt"].hex(), local["data/small.bin"].hex()]
    assert {request.status for request in hub.asked("^/_storage") if request.range} == {206}


def test_files_are_replaced_and_removed_and_history_is_kept(hub: Hub, folder: Path) -> None:
    hub.create("alice/films", files=contents(folder))
    result = run_client(
        hub,
        OUTCOME
        + """
from huggingface_hub import HfApi
api, repo = HfApi(), dict(repo_id="alice/films", repo_type="dataset")
first = api.dataset_info("alice/films").sha
api.upload_file(**repo, path_in_repo="notes.txt", path_or_fileobj=b"better notes")
api.delete_file(**repo, path_in_repo="empty.txt")
api.create_branch(**repo, branch="old", revision=first)
api.create_tag(**repo, tag="v1", revision=first)
api.delete_folder(**repo, path_in_repo="data")
bad_card = b"---\\nlicense: [\\n---\\n"
bad = outcome(api.upload_file, **repo, path_in_repo="README.md", path_or_fileobj=bad_card)
missing = outcome(api.delete_file, **repo, path_in_repo="none.txt")
stale = outcome(
    api.upload_file, **repo, path_in_repo="a.txt", path_or_fileobj=b"a", parent_commit=first
)
refs = api.list_repo_refs(**repo)
result = {
    "now": api.list_repo_files(**repo), "then": api.list_repo_files(**repo, revision="v1"),
    "refs": [[ref.name for ref in refs.branches], [ref.name for ref in refs.tags]],
    "titles": [commit.title for commit in api.list_repo_commits(**repo)],
    "bad": bad, "missing": missing, "stale": stale,
    "unknown": outcome(api.dataset_info, "alice/films", revision="none"),
}
""",
        token=ALICE,
    )
    assert result["now"] == [".gitattributes", "README.md", "notes.txt"]
    assert result["then"] == sorted([*contents(folder), ".gitattributes"])
    assert result["refs"] == [["main", "old"], ["v1"]]
    assert len(result["titles"]) == 5
    assert result["titles"][-1] == "initial commit"
    assert result["bad"] == ["ValueError", None]
    assert result["missing"] == ["RemoteEntryNotFoundError", 404]
    assert result["stale"] == ["HfHubHTTPError", 412]
    assert result["unknown"] == ["RevisionNotFoundError", 404]
    assert hub.repos["alice/films"].files["notes.txt"] == b"better notes"


def test_a_repository_is_made_public_and_gated_and_is_deleted(hub: Hub) -> None:
    hub.create("alice/films", private=True)
    result = run_client(
        hub,
        OUTCOME
        + """
from huggingface_hub import HfApi
api, repo = HfApi(), dict(repo_id="alice/films", repo_type="dataset")
nobody = HfApi(token=False)
def state():
    info = api.dataset_info("alice/films")
    return [info.private, info.gated, outcome(nobody.dataset_info, "alice/films")[0]]
states = [state()]
for setting in ({"private": False}, {"gated": "manual"}, {"private": True, "gated": False}):
    api.update_repo_settings(**repo, **setting)
    states.append(state())
api.delete_repo(**repo)
result = [*states, api.repo_exists(**repo)]
""",
        token=ALICE,
    )
    assert result == [
        [True, False, "RepositoryNotFoundError"],
        [False, False, "fine"],
        [False, "manual", "fine"],
        [True, False, "RepositoryNotFoundError"],
        False,
    ]
    assert not hub.repos


def test_members_share_what_belongs_to_their_organisation() -> None:
    with Hub(USERS, private_by_default=("lab",)) as hub:
        result = run_client(
            hub,
            OUTCOME
            + """
from huggingface_hub import HfApi
api = HfApi()
for repo_id in ("lab/films", "alice/films"):
    api.create_repo(repo_id, repo_type="dataset")
me = api.whoami()
result = {
    "me": [me["name"], [org["name"] for org in me["orgs"]], me["auth"]["accessToken"]["role"]],
    "lab": [user.username for user in api.list_organization_members("lab")],
    "owned": [[repo.id, repo.visibility] for repo in api.list_user_repos("lab")],
    "bob": outcome(HfApi(token="hf_bob_writes").dataset_info, "lab/films"),
}
""",
            token=ALICE,
        )
    assert result["me"] == ["alice", ["lab"], "write"]
    assert result["lab"] == ["alice"]
    assert result["owned"] == [["lab/films", "private"]]
    assert result["bob"] == ["RepositoryNotFoundError", 404]
    assert not hub.repos["alice/films"].private


ACTIONS = """
import tempfile
from huggingface_hub import HfApi, hf_hub_download
def attempts(token, repo_id):
    api, repo = HfApi(token=token), dict(repo_id=repo_id, repo_type="dataset")
    folder = dict(**repo, folder_path=str(path))
    file = dict(**repo, filename="a.txt", cache_dir=tempfile.mkdtemp(dir="."))
    return {
        "see": outcome(api.dataset_info, repo_id),
        "list": outcome(api.list_repo_files, **repo),
        "read": outcome(hf_hub_download, **file, token=token),
        "push": outcome(api.upload_folder, **folder),
        "change": outcome(api.update_repo_settings, **repo, private=True),
    }
"""


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (None, {"see": ["RepositoryNotFoundError", 401], "push": ["RepositoryNotFoundError", 401]}),
        (BOB, {"see": ["RepositoryNotFoundError", 404], "push": ["RepositoryNotFoundError", 404]}),
        ("hf_unknown", {"see": ["HfHubHTTPError", 401], "push": ["HfHubHTTPError", 401]}),
        (ALICE_READS, {"see": ["fine", None], "push": ["HfHubHTTPError", 403]}),
        (ALICE, {"see": ["fine", None], "push": ["fine", None]}),
    ],
)
def test_a_private_repository_is_for_its_owner_only(
    hub: Hub, folder: Path, who: str | None, expected: dict[str, Any]
) -> None:
    hub.create("alice/films", private=True, files={"a.txt": b"a"})
    program = OUTCOME + ACTIONS + "result = attempts(None, 'alice/films')"
    result = run_client(hub, program, token=who, path=str(folder))
    see, push = expected["see"], expected["push"]
    assert result == {"see": see, "list": see, "read": see, "push": push, "change": push}
    assert len(hub.repos["alice/films"].commits) == (3 if who == ALICE else 2)
    users = {None: None, BOB: "bob", "hf_unknown": None}
    assert {request.user for request in hub.asked("^/(api/)?datasets")} == {users.get(who, "alice")}


def test_a_public_repository_is_read_by_all_and_written_by_its_owner(
    hub: Hub, folder: Path
) -> None:
    hub.create("alice/films", files={"a.txt": b"a"})
    program = """
result = [attempts(who, "alice/films") for who in (False, "hf_bob_writes", "hf_alice_reads")]
"""
    results = run_client(hub, OUTCOME + ACTIONS + program, path=str(folder))
    fine = ["fine", None]
    for result, refused in zip(
        results,
        [["RepositoryNotFoundError", 401], ["HfHubHTTPError", 403], ["HfHubHTTPError", 403]],
        strict=True,
    ):
        assert result == {
            "see": fine, "list": fine, "read": fine, "push": refused, "change": refused,
        }  # fmt: skip
    assert len(hub.repos["alice/films"].commits) == 2


@pytest.mark.parametrize("gated", ["auto", "manual"])
def test_files_of_a_gated_repository_take_a_permission(hub: Hub, folder: Path, gated: Any) -> None:
    hub.create("alice/films", gated=gated, files={"a.txt": b"a"})
    program = OUTCOME + ACTIONS + "result = [attempts(who, 'alice/films') for who in whose]"
    results = run_client(hub, program, path=str(folder), whose=[False, BOB, ALICE])
    assert [result["see"][0] for result in results] == ["fine"] * 3
    assert [result["read"] for result in results] == [
        ["GatedRepoError", 401], ["GatedRepoError", 403], ["fine", None],
    ]  # fmt: skip


def test_users_with_a_permission_read_files_of_a_gated_repository(hub: Hub) -> None:
    hub.create("alice/films", gated="manual", files={"a.txt": b"a"}).allowed.add("bob")
    program = """
        from huggingface_hub import hf_hub_download
        result = open(hf_hub_download("alice/films", "a.txt", repo_type="dataset")).read()
    """
    assert run_client(hub, program, token=BOB) == "a"


def test_repositories_are_created_by_who_may_write_there_and_once(hub: Hub) -> None:
    hub.create("alice/films", private=True)
    result = run_client(
        hub,
        OUTCOME
        + """
from huggingface_hub import HfApi
def create(token, repo_id, **options):
    return outcome(HfApi(token=token).create_repo, repo_id, repo_type="dataset", **options)
result = [
    create(alice, "alice/films"), create(alice, "alice/films", exist_ok=True),
    create(alice, "lab/new"), create(alice, "bob/new"), create(alice_reads, "alice/new"),
    create(False, "alice/new"), create("hf_unknown", "alice/new"),
]
""",
        alice=ALICE,
        alice_reads=ALICE_READS,
    )
    assert result == [
        ["HfHubHTTPError", 409], ["fine", None],
        ["fine", None], ["HfHubHTTPError", 403], ["HfHubHTTPError", 403],
        ["HfHubHTTPError", 401], ["HfHubHTTPError", 401],
    ]  # fmt: skip
    assert sorted(hub.repos) == ["alice/films", "lab/new"]


UPLOAD = """
from huggingface_hub import HfApi
api = HfApi()
repo = dict(repo_id="alice/films", repo_type="dataset")
api.create_repo(**repo, private=True, exist_ok=True)
options = {"num_workers": 1, "print_report": False} if way == "upload_large_folder" else {}
getattr(api, way)(**repo, folder_path=folder, **options)
"""


@pytest.mark.parametrize("way", UPLOADS)
def test_an_upload_that_was_killed_goes_on_where_it_was(hub: Hub, tmp_path: Path, way: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for i in range(12):
        (folder / f"{i}.bin").write_bytes(os.urandom(1000 + i))
    held = hub.fail("^/_storage/objects", method="PUT", after=7, times=None, hold=True)
    with Client(hub, UPLOAD, token=ALICE, way=way, folder=str(folder)) as client:
        hub.wait_for("^/_storage/objects", "PUT", count=7)
        assert held.reached.wait(30)
        client.kill()
    hub.mend()
    repo = hub.repos["alice/films"]
    assert len(repo.commits) == 1
    before = len(repo.objects)
    assert before == 7
    run_client(hub, UPLOAD, token=ALICE, way=way, folder=str(folder))
    assert pushed(hub, "alice/films") == contents(folder)
    arrived = [put for put in hub.asked("^/_storage/objects", "PUT") if put.status == 200]
    assert len(arrived) == 12


def test_an_upload_through_xet_that_was_killed_goes_on_after_its_last_commit(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for i in range(300):  # one commit of the client's holds 250
        (folder / f"{i:03d}.txt").write_text(f"note {i}")
    for name in ("010.bin", "290.bin"):
        (folder / name).write_bytes(os.urandom(200_000))
    with Hub(USERS, xet=True) as hub:
        held = hub.fail("/commit/", after=1, hold=True)
        program = UPLOAD.replace("way)", "'upload_folder')")
        with Client(hub, program, token=ALICE, way="", folder=str(folder)) as client:
            assert held.reached.wait(60)
            client.kill()
        hub.mend()
        repo = hub.repos["alice/films"]
        assert len(repo.commits) == 2
        assert 0 < len(pushed(hub, "alice/films")) < 302
        run_client(hub, program, token=ALICE, way="", folder=str(folder))
        assert pushed(hub, "alice/films") == contents(folder)
        assert len(repo.commits) == 3
        assert not hub.asked("/lfs/")


def test_the_client_tries_again_after_passing_faults(hub: Hub, folder: Path) -> None:
    hub.create("alice/films")
    hub.fail("/preupload/", status=429, headers={"Retry-After": "0"})
    hub.fail("/objects/batch", status=503)
    hub.fail("^/_storage/objects", method="PUT", status=500)
    broken = hub.fail("^/_storage/parts/.*/2$", drop_upload_after=PART // 2)
    hub.fail("^/_storage/complete", status=502)
    program = """
        from huggingface_hub import HfApi
        HfApi().upload_folder(repo_id="alice/films", repo_type="dataset", folder_path=folder)
    """
    run_client(hub, program, token=ALICE, folder=str(folder))
    assert pushed(hub, "alice/films") == contents(folder)
    assert [asked.status for asked in hub.asked("/preupload/")] == [429, 200]
    assert [asked.status for asked in hub.asked("/objects/batch")] == [503, 200]
    assert sorted(asked.status or 0 for asked in hub.asked("^/_storage/objects")) == [200, 200, 500]
    assert [asked.status for asked in hub.asked("^/_storage/parts/.*/2$")] == [None, 200]
    assert hub.asked("^/_storage/parts/.*/2$")[0].received == PART // 2
    assert broken.met == 1
    assert [asked.status for asked in hub.asked("^/_storage/complete")] == [502, 200]


def test_a_download_that_broke_off_goes_on_with_the_rest(hub: Hub) -> None:
    content = os.urandom(1024) * 12 * 1024
    hub.create("alice/films", private=True, files={"a.bin": content})
    block = 10 * 1024 * 1024  # what the client reads at once
    hub.fail("^/_storage/objects", method="GET", drop_download_after=block)
    program = """
        import hashlib
        from huggingface_hub import hf_hub_download
        path = hf_hub_download("alice/films", "a.bin", repo_type="dataset")
        result = hashlib.sha256(open(path, "rb").read()).hexdigest()
    """
    assert run_client(hub, program, token=ALICE) == hashlib.sha256(content).hexdigest()
    first, second = hub.asked("^/_storage/objects", "GET")
    assert (first.status, first.sent) == (None, block)
    assert (second.status, second.sent) == (206, len(content) - block)


def test_a_commit_that_is_refused_is_not_tried_again_and_changes_nothing(
    hub: Hub, folder: Path
) -> None:
    hub.create("alice/films", private=True)
    statuses = [401, 403, 429, 500, 503]
    for status in statuses:
        hub.fail("/commit/", status=status)
    program = """
from huggingface_hub import HfApi
repo = dict(repo_id="alice/films", repo_type="dataset")
result = [outcome(HfApi().upload_folder, **repo, folder_path=folder) for _ in range(count)]
"""
    result = run_client(
        hub, OUTCOME + program, token=ALICE, folder=str(folder), count=len(statuses)
    )
    assert result == [["HfHubHTTPError", status] for status in statuses]
    assert [asked.status for asked in hub.asked("/commit/")] == statuses
    assert not pushed(hub, "alice/films")


@pytest.mark.parametrize("kind", PUSHED)
def test_a_dataset_is_pushed_loaded_back_and_streamed_back(hub: Hub, kind: str) -> None:
    push = "rows(5)" if kind == "Dataset" else "rows(5).to_iterable_dataset(num_shards=2)"
    result = run_client(
        hub,
        ROWS
        + push
        + """.push_to_hub("alice/films", private=True)
loaded = datasets.load_dataset("alice/films")
rows = loaded["train"]
streamed = datasets.load_dataset("alice/films", split="train", streaming=True)
result = [list(loaded), str(rows.features), seen(rows), seen(streamed)]
""",
        token=ALICE,
    )
    splits, features, loaded, streamed = result
    assert splits == ["train"]
    assert features.startswith("{'image': Image(")
    assert loaded == streamed == SEEN
    assert hub.repos["alice/films"].private
    kinds = {Path(path).suffix for path in pushed(hub, "alice/films")}
    assert kinds == {".parquet", ".md"}


def test_splits_are_pushed_through_xet_and_loaded_by_who_may_see_them() -> None:
    program = """
splits = datasets.DatasetDict(train=rows(5), test=rows(2))
splits.push_to_hub("lab/films", private=True)
datasets.DatasetDict(train=rows(3)).push_to_hub("lab/films", config_name="few")
loaded = [
    datasets.load_dataset("lab/films", config, token=member) for config in ("default", "few")
]
result = {
    "rows": [{name: rows.num_rows for name, rows in splits.items()} for splits in loaded],
    "few": seen(loaded[1]["train"]),
}
"""
    with Hub(USERS, xet=True) as hub:
        result = run_client(hub, ROWS + program, token=ALICE, member=ALICE_READS)
        assert not hub.asked("/lfs/")
        # With caches of its own: `datasets` loads from them what the Hub refuses.
        with pytest.raises(ClientFailed) as failed:
            run_client(hub, "import datasets; datasets.load_dataset('lab/films')", token=BOB)
    assert result == {"rows": [{"train": 5, "test": 2}, {"train": 3}], "few": SEEN[:3]}
    assert failed.value.kinds[0] == "DatasetNotFoundError"


def test_nothing_reaches_another_host_and_what_tries_to_is_noted(hub: Hub) -> None:
    program = (
        OUTCOME
        + """
from huggingface_hub.utils import get_session
result = [
    get_session().get("http://datasets-server.127.0.0.1/info").status_code,
    outcome(get_session().get, "https://huggingface.example/api/whoami-v2")[0],
]
"""
    )
    assert run_client(hub, program, token=ALICE) == [404, "ProxyError"]
    assert [(asked.method, asked.path) for asked in hub.requests] == [
        ("GET", "datasets-server.127.0.0.1/info"), ("CONNECT", "huggingface.example:443"),
    ]  # fmt: skip


def test_no_token_is_kept(hub: Hub, folder: Path) -> None:
    program = "from huggingface_hub import HfApi; HfApi().whoami()"
    run_client(hub, program, token=ALICE)
    assert [asked.user for asked in hub.requests] == ["alice"]
    assert ALICE not in repr(hub.requests)


def test_answers_wait_for_the_latency_and_faults_for_their_turn(hub: Hub) -> None:
    hub.create("alice/films")
    hub.fail("/api/datasets", status=503, after=1, times=1, headers={"Retry-After": "7"})
    address = f"{hub.url}/api/datasets/alice/films"
    hub.latency = 0.2
    started = time.monotonic()
    urllib.request.urlopen(address).close()
    assert time.monotonic() - started >= 0.2
    hub.latency = 0
    with pytest.raises(urllib.error.HTTPError) as failed:
        urllib.request.urlopen(address)
    failed.value.close()
    assert (failed.value.code, failed.value.headers["Retry-After"]) == (503, "7")
    urllib.request.urlopen(address).close()
    assert [asked.status for asked in hub.requests] == [200, 503, 200]


def test_the_end_closes_the_port_and_leaves_no_thread(capfd: pytest.CaptureFixture[str]) -> None:
    threads = threading.active_count()
    with Hub() as hub:
        hub.create("alice/films")
        hub.fail("/api/datasets", hold=True)
        held = threading.Thread(target=_ask, args=(f"{hub.url}/api/datasets/alice/films",))
        held.start()
        assert hub._server.faults[0].reached.wait(10)
    held.join(10)
    assert threading.active_count() == threads
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(hub.url)
    assert capfd.readouterr() == ("", "")


def _ask(address: str) -> None:
    with contextlib.suppress(OSError):
        urllib.request.urlopen(address).close()
