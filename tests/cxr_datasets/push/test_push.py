"""`cxr push`: an export arrives in a private repository, and nothing in any other."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pyarrow.parquet as pq
import pytest

from cxr_datasets.cli import main
from cxr_datasets.errors import ExportError, HubError, OptionError
from cxr_datasets.export import export, notes
from cxr_datasets.push import push, reading
from cxr_datasets.testing import copy_release, rewrite
from tests.fakes.hub import Account, Client, Hub, run_client

from .conftest import ALICE, ALICE_READS, BOB, USERS, Pusher, data, exported

TERMS = "https://physionet.org/content/mimic-cxr-jpg/view-dua/2.1.0/"
SIGNED = {"i_have_signed_the_dua": True}

PUSH = """
from cxr_datasets.storage import retry
from cxr_datasets.push import contents, push
retry.FIRST_WAIT, contents.FILES_A_COMMIT = 0.01, 2
result = vars(push(folder, "alice/films", i_have_signed_the_dua=True, verify=False))
"""


def rows_in(folder: Path) -> dict[str, dict[str, int]]:
    """Count the rows of each split of each config in the Parquet files."""
    rows: dict[str, dict[str, int]] = {}
    for file in folder.glob("*/*.parquet"):
        splits = rows.setdefault(file.parent.name, {})
        split = file.name.partition("-")[0]
        splits[split] = splits.get(split, 0) + pq.read_metadata(file).num_rows
    return rows


def copied(export: Path, to: Path) -> Path:
    """Copy an export by hard links; change its files with `rewrite` only."""
    return copy_release(export, to)


def changing(hub: Hub, since: int) -> list[str]:
    """List the requests that change something."""
    return [
        f"{asked.method} {asked.path}"
        for asked in hub.requests[since:]
        if asked.method not in ("GET", "HEAD")
    ]


# --- what arrives ---------------------------------------------------------------------------------


def test_an_export_arrives_in_a_new_private_repository_and_is_loaded_back(
    hub: Hub, pusher: Pusher, mimic_export: Path
) -> None:
    # Here, load_dataset("alice/whole") would load this folder.
    (pusher.home / "alice" / "whole").mkdir(parents=True)
    (pusher.home / "alice" / "whole" / "other.csv").write_text("a,b\n1,2\n")
    done = pusher(mimic_export, "alice/whole", verify=True, **SIGNED)
    assert done.error is None, done.text
    assert not [*pusher.home.glob("hub/*"), *pusher.home.glob("datasets/*")]  # nothing is kept
    repo = hub.repos["alice/whole"]
    assert repo.private
    assert data(repo) == exported(mimic_export)
    assert not any(name.startswith(".cxr") for name in repo.files)
    assert done.summary["rows"] == rows_in(mimic_export)
    assert done.summary["files"] == len(exported(mimic_export))
    assert done.summary["bytes"] == sum(map(len, exported(mimic_export).values()))
    assert done.summary["url"] == f"{hub.url}/datasets/alice/whole"
    assert "private" in done.text
    # The card came before the data, and every commit between two looks at the repository.
    assert set(repo.commits[1].files) <= {".gitattributes", "README.md", "croissant.json"}
    assert len(repo.commits) > 4
    looks = [asked.path for asked in hub.asked("^/api/datasets/alice/whole(/commit/main)?$")]
    commits = [n for n, path in enumerate(looks) if path.endswith("/commit/main")]
    assert all(not looks[n + shift].endswith("/main") for n in commits for shift in (-1, 1))

    since = len(hub.requests)
    again = pusher(mimic_export, "alice/whole", **SIGNED)
    assert again.error is None
    assert (again.summary["sent"], again.summary["verified"]) == (0, False)
    assert changing(hub, since) == []
    assert data(repo) == exported(mimic_export)


@pytest.mark.thorough
def test_the_copy_loads_and_streams_without_this_project(
    hub: Hub, pusher: Pusher, mimic_export: Path
) -> None:
    assert pusher(mimic_export, "alice/loaded", **SIGNED).error is None
    result = run_client(
        hub,
        """
        import sys
        import datasets

        def rows(splits):
            return {
                name: [table.to_pylist() for table in split.with_format("arrow").iter(1000)]
                for name, split in splits.items()
            }

        result = []
        for config in ("images", "reports"):
            copy = datasets.load_dataset("alice/loaded", config)
            stream = datasets.load_dataset("alice/loaded", config, streaming=True)
            local = datasets.load_dataset(folder, config)
            result += [
                rows(copy) == rows(local),
                {name: split.features for name, split in copy.items()}
                == {name: split.features for name, split in local.items()},
                {name: [row["study_id"] for row in split] for name, split in stream.items()}
                == {name: split["study_id"][:] for name, split in local.items()},
            ]
        first = next(iter(datasets.load_dataset("alice/loaded", split="test", streaming=True)))
        result += [first["image"].mode == "L", first["image"].size[0] > 8]
        result.append(not {"cxr_datasets", "mimic_cxr_jpg"} & set(sys.modules))
        """,
        token=ALICE_READS,
        folder=str(mimic_export),
    )
    assert result == [True] * 9


def test_only_what_the_export_wrote_is_sent(
    hub: Hub, pusher: Pusher, indiana_export: Path, tmp_path: Path
) -> None:
    folder = copied(indiana_export, tmp_path / "out")
    (folder / "notes.txt").write_text("my own")
    (folder / "studies" / "mine.csv").write_text("my own")
    (folder / ".cxr" / "unfinished").mkdir(exist_ok=True)
    (folder / ".cxr" / "unfinished" / "part.parquet").write_text("left over")
    assert pusher(folder, "alice/own").error is None
    assert data(hub.repos["alice/own"]) == exported(indiana_export)


def test_data_that_anybody_may_have_need_no_signature_and_no_organization(
    hub: Hub, pusher: Pusher, indiana_export: Path
) -> None:
    for repo in ("alice/free", "lab/free"):
        assert pusher(indiana_export, repo).error is None
        assert hub.repos[repo].private
        assert data(hub.repos[repo]) == exported(indiana_export)


def test_an_existing_private_repository_is_filled_and_stays_private(
    hub: Hub, pusher: Pusher, indiana_export: Path
) -> None:
    repo = hub.create("alice/empty", private=True, files={"README.md": b"\n", "a.txt": b"mine"})
    assert pusher(indiana_export, "alice/empty", commit_message="All of it").error is None
    assert repo.private
    assert data(repo) == {**exported(indiana_export), "a.txt": b"mine"}
    assert {commit.title.partition(" (")[0] for commit in repo.commits[2:]} == {"All of it"}
    assert not hub.asked("alice/empty/settings")


def test_a_repository_of_an_organization_takes_its_name_and_tells_its_members(
    hub: Hub, pusher: Pusher, mimic_export: Path
) -> None:
    done = pusher(mimic_export, "lab/films", organization="lab", **SIGNED)
    assert done.error is None, done.text
    assert hub.repos["lab/films"].private
    assert (done.summary["organization"], done.summary["members"]) == ("lab", 2)
    assert "every member of lab, 2 people" in done.text


def test_a_split_exported_by_itself_is_pushed_and_the_others_follow(
    hub: Hub, pusher: Pusher, small_release: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"config": "reports", "progress": False, "cache_dir": str(tmp_path)}
    out = tmp_path / "out"
    export("mimic-cxr-jpg", small_release, out, split="test", **options)
    assert pusher(out, "alice/growing", **SIGNED).summary["rows"] == rows_in(out)
    export("mimic-cxr-jpg", small_release, out, **options)
    done = pusher(out, "alice/growing", **SIGNED)
    assert list(done.summary["rows"]["reports"]) == ["train", "validation", "test"]
    assert done.summary["sent"] == 4  # two splits, the card and the Croissant description
    assert data(hub.repos["alice/growing"]) == exported(out)


def test_an_export_of_an_earlier_format_is_pushed_too(
    hub: Hub, pusher: Pusher, indiana_export: Path, tmp_path: Path
) -> None:
    folder = copied(indiana_export, tmp_path / "out")
    manifest = folder / ".cxr" / "studies.jsonl"
    header, *lines = manifest.read_bytes().splitlines(keepends=True)
    record = notes.decoded(header)
    record["identity"]["versions"]["format"] = "3"
    rewrite(manifest, b"".join([notes.encoded(record), *lines]))
    card = (folder / "README.md").read_text()
    rewrite(folder / "README.md", card.partition("\n<!-- Written by cxr export")[0].encode())
    for sent in (len(exported(folder)), 0):
        assert pusher(folder, "alice/earlier").summary["sent"] == sent
    assert data(hub.repos["alice/earlier"]) == exported(folder)


# --- the command ----------------------------------------------------------------------------------


def test_the_command_pushes_and_prints_one_line(
    hub: Hub, pusher: Pusher, mimic_export: Path
) -> None:
    words = ("push", str(mimic_export), "lab/command", "--organization", "lab", "--no-verify")
    refused = pusher.command(*words)
    assert refused.error == 1
    assert refused.text.startswith("cxr: ")
    assert refused.text.count("\n") == 1
    assert "--i-have-signed-the-dua" in refused.text
    assert "lab/command" not in hub.repos
    done = pusher.command(*words, "--i-have-signed-the-dua", "--commit-message", "By command")
    assert done.error is None
    assert done.summary.count("\n") == 1
    assert f"{hub.url}/datasets/lab/command" in done.summary
    assert hub.repos["lab/command"].commits[-1].title.startswith("By command")


def test_the_help_says_what_is_asked_for_and_takes_no_token(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["push", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for word in ("--i-have-signed-the-dua", "--organization", "HF_TOKEN", "hf auth login"):
        assert word in said
    assert "all of whose members can read it" in said
    with pytest.raises(SystemExit):
        main(["push", "out", "alice/films", "--token", "hf_x"])


# --- refused, and nothing sent --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repo", "token", "options", "said"),
    [
        ("alice/public", ALICE, SIGNED, ["public", "private repositories only", "/settings"]),
        ("alice/auto", ALICE, SIGNED, ["public, with gated access (auto)", "private"]),
        ("alice/manual", ALICE, SIGNED, ["public, with gated access (manual)", "private"]),
        ("alice/unsigned", ALICE, {}, [TERMS, "people who signed", "--i-have-signed-the-dua"]),
        ("bob/films", ALICE, SIGNED, ["belongs to bob", "alice", "lab"]),
        ("bob/private", ALICE, SIGNED, ["belongs to bob", "alice", "lab"]),
        ("others/films", ALICE, SIGNED, ["belongs to others", "alice", "lab"]),
        ("alice/films", None, SIGNED, ["without a token", "hf auth login", "HF_TOKEN"]),
        ("alice/films", "hf_unknown", SIGNED, ["does not know the token", "HF_TOKEN"]),
        ("alice/films", ALICE_READS, SIGNED, ["alice may only read", "settings/tokens"]),
        ("alice/mine", ALICE_READS, SIGNED, ["alice may only read", "settings/tokens"]),
        ("lab/films", ALICE, SIGNED, ["every member of lab, 2 people", TERMS, "--organization"]),
        ("lab/films", ALICE, {**SIGNED, "organization": "others"}, ["the organization lab"]),
        ("alice/films", ALICE, {**SIGNED, "organization": "lab"}, ["the user alice"]),
        ("alice/other", ALICE, SIGNED, ["data/train-00000.parquet", "mix", "another repository"]),
        ("films", ALICE, SIGNED, ["'films'", "user/name"]),
        ("datasets/alice/films", ALICE, SIGNED, ["user/name"]),
    ],
)
def test_a_place_where_credentialed_data_must_not_go_is_refused(
    pusher: Pusher,
    mimic_export: Path,
    repo: str,
    token: str | None,
    options: dict[str, Any],
    said: list[str],
    refusing: Hub,
) -> None:
    hub = refusing
    since, before = len(hub.requests), {name: dict(repo.files) for name, repo in hub.repos.items()}
    private = {name: repo.private for name, repo in hub.repos.items()}
    done = pusher(mimic_export, repo, token=token, **options)
    assert done.error in ("HubError", "OptionError"), done.text
    assert [word for word in (repo, *said) if word not in done.text] == []
    assert changing(hub, since) == []
    assert {name: dict(repo.files) for name, repo in hub.repos.items()} == before
    assert {name: repo.private for name, repo in hub.repos.items()} == private
    if TERMS in said and "--organization" not in said:
        assert len(hub.requests) == since  # not even asked


@pytest.fixture
def refusing(hub: Hub) -> Hub:
    """The Hub, with the repositories to which a push is refused."""
    if "alice/public" not in hub.repos:
        hub.create("alice/public")
        hub.create("alice/auto", gated="auto")
        hub.create("alice/manual", gated="manual")
        hub.create("alice/mine", private=True)
        hub.create("bob/private", private=True)
        hub.create("alice/other", private=True, files={"data/train-00000.parquet": b"another"})
    return hub


def test_a_public_repository_that_holds_the_export_already_is_told_loudly(
    hub: Hub, pusher: Pusher, mimic_export: Path
) -> None:
    assert pusher(mimic_export, "alice/opened", **SIGNED).error is None
    hub.repos["alice/opened"].private = False
    since = len(hub.requests)
    done = pusher(mimic_export, "alice/opened", **SIGNED)
    files = len(list(mimic_export.glob("*/*.parquet")))
    for words in (f"{files} files of this export", "FOR ANYBODY TO READ", "/settings", TERMS):
        assert words in done.text
    assert changing(hub, since) == []


@pytest.fixture(
    params=[(None, "test-00000"), ("validation", "test-00000"), ("validation", "train-00002")]
)
def interrupted(
    request: pytest.FixtureRequest, small_release: Path, tmp_path: Path
) -> tuple[Path, str]:
    """An export unfinished for a damaged image, with or without a finished split; and its file."""
    before, end = request.param
    release = copy_release(small_release, tmp_path / "release")
    whole = tmp_path / "whole"
    options: dict[str, Any] = {
        "image_size": 32, "rows_per_file": 8, "cache_dir": str(tmp_path / "cache"),
        "progress": False,
    }  # fmt: skip
    export("mimic-cxr-jpg", release, whole, **options)
    (last,) = whole.glob(f"images/{end}-*.parquet")
    damaged = pq.read_table(last, columns=["path"])["path"][-1].as_py()
    rewrite(release / damaged, b"\xff\xd8 and no more")
    out = tmp_path / "out"
    if before is not None:
        export("mimic-cxr-jpg", release, out, split=before, **options)
    with pytest.raises(ExportError):
        export("mimic-cxr-jpg", release, out, **options)
    assert list(out.glob("images/train-*.parquet"))
    return out, f"images/{last.name}"


def test_an_interrupted_export_is_refused_and_its_missing_files_named(
    hub: Hub, pusher: Pusher, interrupted: tuple[Path, str]
) -> None:
    since = len(hub.requests)
    folder, missing = interrupted
    done = pusher(folder, "alice/interrupted", **SIGNED)
    assert done.error == "HubError"
    assert missing in done.text
    assert "is not finished" in done.text
    assert "cxr export" in done.text
    assert len(hub.requests) == since
    assert "alice/interrupted" not in hub.repos


def _remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _shorten(name: str) -> Callable[[Path], None]:
    return lambda folder: rewrite(folder / name, (folder / name).read_bytes()[:-1])


def _replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        rewrite(folder / name, text.replace(old, new).encode())

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_remove("README.md"), ["not finished", "README.md"]),
        (_remove("reports/test-00000-of-00001.parquet"), ["changed", "reports/test", "not there"]),
        (_shorten("reports/test-00000-of-00001.parquet"), ["changed", "reports/test", "bytes"]),
        (_remove(".cxr/reports.jsonl"), ["README.md", "reports/train", "anew"]),
        (lambda folder: shutil.rmtree(folder / ".cxr"), ["no export", ".cxr"]),
        (_replace("README.md", "num_examples: ", "num_examples: 1"), ["README.md", "rows"]),
        (_replace("README.md", "configs:", "configs: ["), ["README.md", "cannot be read"]),
        (shutil.rmtree, ["no export"]),
    ],
)
def test_a_folder_that_is_no_finished_export_is_refused_before_the_hub_is_asked(
    change: Callable[[Path], None], said: list[str], mimic_export: Path, tmp_path: Path
) -> None:
    folder = copied(mimic_export, tmp_path / "out")
    change(folder)
    with pytest.raises(HubError) as refused:
        push(folder, "alice/films", i_have_signed_the_dua=True)
    assert all(word in str(refused.value) for word in [str(folder), *said])


def test_a_store_is_refused_for_files_are_sent_from_a_disk() -> None:
    with pytest.raises(HubError, match=r"memory://out is not a folder on a disk"):
        push("memory://out", "alice/films")


def test_an_unknown_dataset_is_refused(mimic_export: Path, tmp_path: Path) -> None:
    folder = copied(mimic_export, tmp_path / "out")
    for config in ("images", "reports"):
        manifest = folder / ".cxr" / f"{config}.jsonl"
        header, *lines = manifest.read_bytes().splitlines(keepends=True)
        record = notes.decoded(header)
        record["identity"]["dataset"] = "someone-elses"
        rewrite(manifest, b"".join([notes.encoded(record), *lines]))
    with pytest.raises(OptionError, match="someone-elses"):
        push(folder, "alice/films")


# --- made public meanwhile ------------------------------------------------------------------------


@pytest.mark.parametrize("gated", [False, "auto"])
def test_a_repository_made_public_while_it_is_filled_is_closed_and_nothing_more_is_sent(
    hub: Hub, pusher: Pusher, mimic_export: Path, gated: Any
) -> None:
    name = f"alice/meanwhile-{gated}"
    held = hub.fail(f"{name}/commit/", after=1, hold=True)  # of the card; then of the first data
    number = pusher.start(mimic_export, name, **SIGNED)
    assert held.reached.wait(30)
    repo = hub.repos[name]
    repo.private, repo.gated = False, gated
    held.release()
    done = pusher.outcome(number)
    assert done.error == "HubError"
    for words in ("WAS MADE PUBLIC", "2 files", "set private again", TERMS, name):
        assert words in done.text
    assert repo.private
    assert len([file for file in repo.files if file.endswith(".parquet")]) == 2
    assert pusher(mimic_export, name, **SIGNED).error is None
    assert data(repo) == exported(mimic_export)


def test_a_repository_made_public_before_the_last_commit_is_noticed_after_it(
    hub: Hub, pusher: Pusher, indiana_export: Path
) -> None:
    held = hub.fail("alice/at-last/commit/", after=1, hold=True)
    hub.fail("alice/at-last/settings", status=403, times=None)
    number = pusher.start(indiana_export, "alice/at-last")
    assert held.reached.wait(30)
    hub.repos["alice/at-last"].private = False
    held.release()
    done = pusher.outcome(number)
    assert "It could NOT be set private again" in done.text
    assert f"NOW at {hub.url}/datasets/alice/at-last/settings" in done.text
    assert done.error == "HubError"


def test_a_repository_made_public_is_noticed_when_the_upload_fails_too(
    hub: Hub, pusher: Pusher, mimic_export: Path
) -> None:
    held = hub.fail("alice/failing/commit/", after=1, hold=True, status=403)
    number = pusher.start(mimic_export, "alice/failing", **SIGNED)
    assert held.reached.wait(30)
    hub.repos["alice/failing"].private = False
    held.release()
    done = pusher.outcome(number)
    assert "WAS MADE PUBLIC" in done.text
    assert hub.repos["alice/failing"].private


def test_a_member_who_joined_meanwhile_is_noticed(
    hub: Hub, pusher: Pusher, mimic_export: Path
) -> None:
    held = hub.fail("lab/joined/commit/", after=1, hold=True)
    number = pusher.start(mimic_export, "lab/joined", organization="lab", verify=False, **SIGNED)
    assert held.reached.wait(30)
    hub.users["carol"] = Account("hf_carol", orgs=("lab",))
    held.release()
    done = pusher.outcome(number)
    del hub.users["carol"]
    assert done.error == "HubError"
    for words in ("had 2 members", "has 3 members now", TERMS):
        assert words in done.text


@pytest.mark.parametrize("load", [True, False])
def test_a_repository_made_public_after_the_last_commit_is_noticed(
    hub: Hub, pusher: Pusher, mimic_export: Path, load: bool
) -> None:
    name = f"alice/late-{load}"
    # The first listing is before the upload; the second compares what has arrived.
    place = f"{name}/resolve/main/README.md" if load else f"{name}/tree/main"
    held = hub.fail(place, after=0 if load else 1, hold=True)
    number = pusher.start(mimic_export, name, verify=load, **SIGNED)
    assert held.reached.wait(60)
    hub.repos[name].private = False
    held.release()
    done = pusher.outcome(number)
    assert done.error == "HubError"
    for words in ("WAS MADE PUBLIC", "set private again", TERMS, name):
        assert words in done.text
    assert hub.repos[name].private


# --- others write there, too ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda card: b"# Our films\n\nRead this first.\n",
        lambda card: b"---\nlicense: mit\n---\n",
        lambda card: card + b"\n## Our notes\n\nFilm 7 is upside down.\n",
        lambda card: card.replace(b"The terms", b"All terms"),
        lambda card: card.replace(b"\n", b"\r\n"),
        lambda card: b"x" * 10_000_001,
        lambda card: b"\xff\xfe",
    ],
    ids=["theirs", "theirs, a head", "added to", "changed", "other line ends", "long", "no text"],
)
def test_a_readme_that_somebody_wrote_or_changed_is_not_overwritten(
    change: Callable[[bytes], bytes], hub: Hub, pusher: Pusher, indiana_export: Path, request: Any
) -> None:
    name = f"alice/readme-{request.node.callspec.id.replace(' ', '').replace(',', '-')}"
    card = change((indiana_export / "README.md").read_bytes())
    hub.create(name, private=True, files={"README.md": card})
    since = len(hub.requests)
    done = pusher(indiana_export, name)
    assert done.error == "HubError"
    for words in (f"{name}/README.md", f"{len(card):,} bytes", "another repository", "/tree/main"):
        assert words in done.text
    assert "upside down" not in done.text
    assert changing(hub, since) == []
    assert hub.repos[name].files["README.md"] == card


def test_a_readme_that_an_earlier_export_wrote_is_replaced(
    hub: Hub, pusher: Pusher, indiana_export: Path, mimic_export: Path
) -> None:
    earlier = (mimic_export / "README.md").read_bytes()
    hub.create("alice/again", private=True, files={"README.md": earlier})
    assert pusher(indiana_export, "alice/again").error is None
    assert data(hub.repos["alice/again"]) == exported(indiana_export)


def test_a_readme_that_is_changed_while_files_are_sent_is_not_overwritten(
    hub: Hub, pusher: Pusher, indiana_export: Path
) -> None:
    hub.create("alice/edited", private=True)
    held = hub.fail("alice/edited/preupload/", hold=True)
    number = pusher.start(indiana_export, "alice/edited", verify=False)
    assert held.reached.wait(30)
    hub.put("alice/edited", {"README.md": b"Theirs"})
    held.release()
    done = pusher.outcome(number)
    assert done.error == "HubError"
    assert "alice/edited/README.md (6 bytes) is not as an export wrote it" in done.text
    assert data(hub.repos["alice/edited"]) == {"README.md": b"Theirs"}


def test_a_commit_of_others_in_between_is_waited_for_and_kept(
    hub: Hub, pusher: Pusher, mimic_export: Path
) -> None:
    # Once refused in either way, and once because there really is a newer commit.
    faults = [hub.fail("alice/shared/commit/", status=status) for status in (409, 412)]
    held = hub.fail("alice/shared/preupload/", after=3, hold=True)
    number = pusher.start(mimic_export, "alice/shared", verify=False, **SIGNED)
    assert held.reached.wait(30)
    hub.put("alice/shared", {"notes.txt": b"Theirs"})
    held.release()
    done = pusher.outcome(number)
    assert done.error is None, done.text
    assert [fault.met for fault in faults] == [1, 1]
    statuses = {asked.status for asked in hub.asked("alice/shared/commit/")}
    assert statuses == {200, 409, 412}
    assert data(hub.repos["alice/shared"]) == {**exported(mimic_export), "notes.txt": b"Theirs"}


def test_data_of_others_that_come_in_between_end_the_push(
    hub: Hub, pusher: Pusher, mimic_export: Path
) -> None:
    held = hub.fail("alice/mixed/preupload/", after=1, hold=True)
    number = pusher.start(mimic_export, "alice/mixed", verify=False, **SIGNED)
    assert held.reached.wait(30)
    hub.put("alice/mixed", {"data/theirs.parquet": b"Theirs"})
    held.release()
    done = pusher.outcome(number)
    assert done.error == "HubError"
    assert "data/theirs.parquet" in done.text
    assert "mix" in done.text


# --- interrupted ----------------------------------------------------------------------------------


def test_a_push_that_was_killed_goes_on_where_it_was(mimic_export: Path) -> None:
    with Hub(USERS, part_size=64 * 1024) as hub:
        held = hub.fail("/commit/", after=3, times=None, hold=True)
        with Client(hub, PUSH, token=ALICE, folder=str(mimic_export)) as client:
            assert held.reached.wait(60)
            client.kill()
        hub.mend()
        repo = hub.repos["alice/films"]
        assert repo.private
        assert len(repo.commits) == 4  # the Hub's own, the card, and two of data
        committed = {name for name in repo.files if name.endswith(".parquet")}
        arrived = len(repo.objects)
        assert (len(committed), arrived) == (4, 6)
        since = len(hub.requests)
        # This time the client sends a token only where it is told to.
        asking = "import os; os.environ['HF_HUB_DISABLE_IMPLICIT_TOKEN'] = '1'"
        result = run_client(hub, asking + PUSH, token=ALICE, folder=str(mimic_export))
        assert data(repo) == exported(mimic_export)
        files = len(list(mimic_export.glob("*/*.parquet")))
        assert result["sent"] == files - len(committed)  # the card, too, is there
        sent = [asked for asked in hub.asked("^/_storage/objects", "PUT") if asked.status == 200]
        assert len(sent) + len(hub.asked("^/_storage/complete", "POST")) == files
        assert not [asked for asked in hub.requests[since:] if asked.path.endswith("/create")]


def test_ctrl_c_stops_with_a_word_on_how_to_go_on(indiana_export: Path) -> None:
    program = """
        import contextlib, io
        from cxr_datasets.cli import main
        err = io.StringIO()
        with contextlib.redirect_stderr(err):
            code = main(["push", folder, "alice/films"])
        result = [code, err.getvalue()]
    """
    with Hub(USERS) as hub:
        held = hub.fail("/commit/", after=1, hold=True)
        with Client(hub, program, token=ALICE, folder=str(indiana_export)) as client:
            assert held.reached.wait(60)
            client.process.send_signal(signal.SIGINT)
            code, said = client.result()
        assert code == 130
        assert said.startswith("cxr: stopped. ")
        for words in ("same command again", "private", f"{hub.url}/datasets/alice/films"):
            assert words in said
        assert len(hub.repos["alice/films"].commits) == 2


@pytest.mark.skipif(
    huggingface_hub.__version__ < "1",
    reason="clients before 1.0 ask whether a repository has Xet, and the loopback Hub does not say",
)
def test_a_push_through_xet_arrives_and_sends_nothing_twice(mimic_export: Path) -> None:
    with Hub(USERS, xet=True) as hub:
        first, second = run_client(
            hub,
            PUSH + "\nresult = [result, vars(push(folder, 'alice/films', verify=False, "
            "i_have_signed_the_dua=True))]",
            token=ALICE,
            folder=str(mimic_export),
        )
        assert hub.repos["alice/films"].private
        assert data(hub.repos["alice/films"]) == exported(mimic_export)
        assert first["sent"] == first["files"] == len(exported(mimic_export))
        assert second["sent"] == 0
        assert not hub.asked("/lfs/")


# --- a Hub that fails -----------------------------------------------------------------------------


def test_passing_faults_are_met_with_patience(
    hub: Hub, pusher: Pusher, indiana_export: Path
) -> None:
    faults = [
        hub.fail("/whoami-v2", status=429, headers={"Retry-After": "0"}),
        hub.fail("/api/datasets/alice/patient$", status=503),
        hub.fail("/repos/create", status=500),
        hub.fail("alice/patient/tree/", status=502),
        hub.fail("alice/patient/commit/", status=504),
        hub.fail("alice/patient/commit/", after=1, drop_upload_after=10),
    ]
    done = pusher(indiana_export, "alice/patient")
    assert done.error is None, done.text
    assert [fault.met for fault in faults] == [1] * len(faults)
    assert data(hub.repos["alice/patient"]) == exported(indiana_export)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"status": 429}, ["again and again", "too many requests (429)", "Wait"]),
        ({"status": 503}, ["again and again", "(503)", "Wait"]),
        ({"drop_upload_after": 0}, ["again and again", "no answer", "connection"]),
        ({"status": 403}, ["refuses it (403", "right to write", "room"]),
        ({"status": 401}, ["does not know the token (401)", "hf auth login"]),
        ({"status": 409}, ["again and again", "other commits came in between (409)", "Let them"]),
        ({"status": 412}, ["again and again", "other commits came in between (412)", "Let them"]),
    ],
)
def test_lasting_faults_are_told_with_what_to_do_next(
    hub: Hub, pusher: Pusher, indiana_export: Path, fault: dict[str, Any], said: list[str]
) -> None:
    name = f"alice/fault-{'-'.join(map(str, fault.values()))}"
    hub.fail(f"{name}/commit/", times=None, **fault)
    done = pusher(indiana_export, name)
    assert done.error == "HubError"
    assert all(word in done.text for word in [f"{name}: sending files failed", *said])
    assert hub.repos[name].private
    hub.mend()
    assert pusher(indiana_export, name).error is None
    assert data(hub.repos[name]) == exported(indiana_export)


def test_a_client_that_is_told_to_stay_offline_says_so(
    indiana_export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", ALICE)
    with pytest.raises(HubError, match="alice/films cannot be reached: HF_HUB_OFFLINE is set"):
        push(indiana_export, "alice/films")


def flip(file: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    rewrite(file, bytes(content))


def test_a_file_that_was_changed_is_named_and_not_sent(
    hub: Hub, pusher: Pusher, indiana_export: Path, tmp_path: Path
) -> None:
    folder = copied(indiana_export, tmp_path / "out")
    (file,) = folder.glob("studies/*.parquet")
    flip(file)
    done = pusher(folder, "alice/damaged")
    assert done.error == "HubError"
    for words in (str(file), "holds other bytes than were written", "cxr export", "--verify"):
        assert words in done.text
    assert not hub.repos["alice/damaged"].objects  # none of its bytes
    assert not [name for name in data(hub.repos["alice/damaged"]) if name.endswith(".parquet")]
    # What is told mends it.
    rewrite(file, (indiana_export / "studies" / file.name).read_bytes())
    assert pusher(folder, "alice/damaged").error is None
    assert data(hub.repos["alice/damaged"]) == exported(indiana_export)


def test_a_file_that_is_changed_while_others_are_sent_is_named_and_not_sent(
    hub: Hub, pusher: Pusher, mimic_export: Path, tmp_path: Path
) -> None:
    folder = copied(mimic_export, tmp_path / "out")
    held = hub.fail("alice/flipped/commit/", hold=True)  # of the card
    number = pusher.start(folder, "alice/flipped", verify=False, **SIGNED)
    assert held.reached.wait(30)
    last = folder / "reports" / "test-00000-of-00001.parquet"
    flip(last)
    held.release()
    done = pusher.outcome(number)
    assert done.error == "HubError"
    assert str(last) in done.text
    assert "reports/test-00000-of-00001.parquet" not in hub.repos["alice/flipped"].files


def test_a_file_that_arrived_as_other_bytes_is_told(
    hub: Hub, pusher: Pusher, indiana_export: Path
) -> None:
    name = "studies/train-00000-of-00001.parquet"
    held = hub.fail("alice/other-bytes/tree/main", after=1, hold=True)  # of what has arrived
    number = pusher.start(indiana_export, "alice/other-bytes", verify=False)
    assert held.reached.wait(30)
    hub.put("alice/other-bytes", {name: b"other"})
    held.release()
    done = pusher.outcome(number)
    assert done.error == "HubError"
    for words in (f"alice/other-bytes/{name}", "sha256", "cxr export"):
        assert words in done.text


def test_rows_that_differ_when_loaded_back_are_told(
    hub: Hub, pusher: Pusher, indiana_export: Path
) -> None:
    held = hub.fail("alice/more/resolve/main/README.md", hold=True)
    number = pusher.start(indiana_export, "alice/more", verify=True)
    assert held.reached.wait(30)
    (file,) = indiana_export.glob("studies/*.parquet")
    hub.put("alice/more", {"studies/train-00001-of-00002.parquet": file.read_bytes()})
    held.release()
    done = pusher.outcome(number)
    rows = rows_in(indiana_export)["studies"]["train"]
    assert done.error == "HubError"
    for words in ("studies/train", f"{rows} rows exported", f"{2 * rows} rows loaded"):
        assert words in done.text


def test_it_is_loaded_back_without_torch_whose_import_takes_longer_than_all_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program.py"
    program.write_text("import json, os; print(json.dumps({'rows': os.environ['USE_TORCH']}))")
    monkeypatch.setattr(reading, "_PROGRAM", program)
    assert reading.load_back("alice/films", []) == "0"  # what `datasets` asks


def test_a_copy_that_does_not_load_is_told(hub: Hub, pusher: Pusher, indiana_export: Path) -> None:
    # The footer can be read, and the rows cannot.
    hub.fail("alice/unread/resolve/.*parquet", status=403, after=1)
    done = pusher(indiana_export, "alice/unread", verify=True)
    assert done.error == "HubError"
    assert "load_dataset('alice/unread') failed" in done.text
    assert data(hub.repos["alice/unread"]) == exported(indiana_export)


def test_no_token_and_no_signature_is_printed(
    hub: Hub, pusher: Pusher, indiana_export: Path
) -> None:
    fault = hub.fail("^/_storage/", method="PUT", status=500)
    assert pusher(indiana_export, "alice/quiet").error is None
    assert fault.met == 1
    printed = (pusher.home / "output.txt").read_text()
    assert "/_storage/" in printed  # the client tells of the fault, with the address
    assert "signature" not in printed
    assert not any(token in printed for token in (ALICE, ALICE_READS, BOB))


def test_a_log_says_what_was_pushed_to_where_and_what_was_refused(
    pusher: Pusher, indiana_export: Path, tmp_path: Path
) -> None:
    log, words = tmp_path / "log", ["push", str(indiana_export), "alice/logged", "--no-verify"]
    words += ["--commit-message", "Ann Other, born 1950", "--log", str(log), "--json"]
    sent = pusher.command(*words)
    assert sent.error is None
    assert pusher.command(*words[:2], "bob/logged", *words[3:]).error == 1
    done, refused = map(json.loads, log.read_text().splitlines())
    assert (done["outcome"], refused["outcome"]) == ("done", "HubError")
    assert done["places"] == {
        "folder": str(indiana_export), "repo": "hf://datasets/alice/logged"
    }  # fmt: skip
    told = json.loads(sent.summary)
    assert done["counts"] == {name: told[name] for name in ("files", "bytes", "sent")}
    manifest = indiana_export / ".cxr" / "studies.jsonl"
    assert done["manifests"] == {"studies": hashlib.sha256(manifest.read_bytes()).hexdigest()}
    assert "Other" not in log.read_text()
    assert ALICE not in log.read_text()
