"""What the real `huggingface_hub` makes of the loopback Hub."""

from __future__ import annotations

import contextlib
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest

from tests.fakes.hub import Account, Hub, run_client

ALICE, ALICE_READS, BOB = "hf_alice_writes", "hf_alice_reads", "hf_bob_writes"

USERS = {
    "alice": Account(ALICE, orgs=("lab",), read_token=ALICE_READS),
    "bob": Account(BOB),
}

PART = 64 * 1024

newer_client = pytest.mark.skipif(
    huggingface_hub.__version__ < "1",
    reason="clients before 1.0 give up at the first 429, and take every host for a local one whose "
    "name ends in 127.0.0.1",
)

CARD = b"---\nlicense: mit\n---\n# Invented\n"

OUTCOME = """
def outcome(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except Exception as error:
        response = getattr(error, "response", None)
        return [type(error).__name__, getattr(response, "status_code", None)]
    return ["fine", None]
"""


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


def test_a_folder_arrives_in_a_new_private_repository(hub: Hub, folder: Path) -> None:
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
    by_lfs = {path for path, blob in repo.commits[-1].files.items() if blob.lfs}
    assert by_lfs == {"data/small.bin", "data/one part.bin", "data/three parts.bin"}
    assert sorted(put.received for put in hub.asked("^/_storage/objects", "PUT")) == [1000, PART]
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


def test_files_are_listed_and_read_back_whole_and_in_ranges(hub: Hub, folder: Path) -> None:
    hub.create("alice/films", private=True, files=contents(folder))
    result = run_client(
        hub,
        """
        from huggingface_hub import HfApi, HfFileSystem, hf_hub_download
        api, fs, root = HfApi(), HfFileSystem(), "datasets/alice/films"
        repo = dict(repo_id="alice/films", repo_type="dataset")
        large, small = f"{root}/data/three parts.bin", f"{root}/notes.txt"
        with fs.open(large) as file:
            file.seek(100_000)
            middle = file.read(10).hex()
        result = {
            "tree": [entry.path for entry in api.list_repo_tree(**repo, recursive=True)],
            "root": [entry.path for entry in api.list_repo_tree(**repo)],
            "siblings": len(api.dataset_info("alice/films").siblings),
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
    assert result["siblings"] == len(local) + 1
    root = "datasets/alice/films/data"
    assert result["ls"] == [f"{root}/{name}.bin" for name in ("one part", "small", "three parts")]
    assert result["size"] == len(large)
    assert result["there"] == [True, False]
    assert result["cat"] == "a few notes\n"
    assert (result["start"], result["middle"]) == (large[5:9].hex(), large[100_000:100_010].hex())
    assert result["end"] == "notes\n"
    assert result["downloaded"] == [local["notes.txt"].hex(), local["data/small.bin"].hex()]
    assert {request.status for request in hub.asked("^/_storage") if request.range} == {206}


def test_a_repository_is_made_public_and_gated_and_private_again(hub: Hub) -> None:
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
result = states
""",
        token=ALICE,
    )
    assert result == [
        [True, False, "RepositoryNotFoundError"],
        [False, False, "fine"],
        [False, "manual", "fine"],
        [True, False, "RepositoryNotFoundError"],
    ]


def test_members_share_what_belongs_to_their_organisation(hub: Hub) -> None:
    result = run_client(
        hub,
        OUTCOME
        + """
from huggingface_hub import HfApi
api = HfApi()
for repo_id in ("lab/films", "alice/films"):
    api.create_repo(repo_id, repo_type="dataset", private=True)
me = api.whoami()
result = {
    "me": [me["name"], [org["name"] for org in me["orgs"]], me["auth"]["accessToken"]["role"]],
    "lab": api.get_organization_overview("lab").num_users,
    "alice": outcome(api.dataset_info, "lab/films"),
    "bob": outcome(HfApi(token="hf_bob_writes").dataset_info, "lab/films"),
}
""",
        token=ALICE,
    )
    assert result["me"] == ["alice", ["lab"], "write"]
    assert result["lab"] == 1
    assert result["alice"] == ["fine", None]
    assert result["bob"] == ["RepositoryNotFoundError", 404]


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


def test_a_private_repository_is_for_its_owner_only(hub: Hub, folder: Path) -> None:
    hub.create("alice/films", private=True, files={"a.txt": b"a"})
    expected = {
        None: {"see": ["RepositoryNotFoundError", 401], "push": ["RepositoryNotFoundError", 401]},
        BOB: {"see": ["RepositoryNotFoundError", 404], "push": ["RepositoryNotFoundError", 404]},
        "hf_unknown": {"see": ["HfHubHTTPError", 401], "push": ["HfHubHTTPError", 401]},
        ALICE_READS: {"see": ["fine", None], "push": ["HfHubHTTPError", 403]},
        ALICE: {"see": ["fine", None], "push": ["fine", None]},
    }
    program = "result = [attempts(False if who is None else who, 'alice/films') for who in whose]"
    results = run_client(hub, OUTCOME + ACTIONS + program, path=str(folder), whose=list(expected))
    for result, wanted in zip(results, expected.values(), strict=True):
        see, push = wanted["see"], wanted["push"]
        assert result == {"see": see, "list": see, "read": see, "push": push, "change": push}
    assert len(hub.repos["alice/films"].commits) == 3
    users = {request.user for request in hub.asked("^/(api/)?datasets")}
    assert users == {None, "bob", "alice"}


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


@newer_client
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


@newer_client
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


def test_faults_wait_for_their_turn(hub: Hub) -> None:
    hub.create("alice/films")
    hub.fail("/api/datasets", status=503, after=1, times=1, headers={"Retry-After": "7"})
    address = f"{hub.url}/api/datasets/alice/films"
    urllib.request.urlopen(address).close()
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
        fault = hub.fail("/api/datasets", hold=True)
        held = threading.Thread(target=_ask, args=(f"{hub.url}/api/datasets/alice/films",))
        held.start()
        assert fault.reached.wait(10)
    held.join(10)
    assert threading.active_count() == threads
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(hub.url)
    assert capfd.readouterr() == ("", "")


def _ask(address: str) -> None:
    with contextlib.suppress(OSError):
        urllib.request.urlopen(address).close()
