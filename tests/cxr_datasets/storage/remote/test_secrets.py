"""Logins stay in memory: no file, log, message, pickle or cache key has one."""

from __future__ import annotations

import base64
import logging
import os
import pickle
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import datasets
import pytest
from datasets.utils._dill import dumps as dill_dumps

from cxr_datasets.errors import CxrError, OptionError
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.web import web_files
from tests.fakes.physionet import Reset, Status
from tests.forked import run
from tests.helpers import netrc_line
from tests.remote import Remote, rows_of

NAME = "invented-name-7f3a"
WORD = "invented word 9c1e"
SECRETS = (WORD, quote(WORD), base64.b64encode(f"{NAME}:{WORD}".encode()).decode(), NAME)


def options(form: str = "flat") -> dict[str, Any]:
    login = {"username": NAME, "password": WORD}
    return {"https": login} if form == "keyed" else login


def in_environment(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    patch.setenv("PHYSIONET_HOST", "127.0.0.1")
    patch.setenv("PHYSIONET_USERNAME", NAME)
    patch.setenv("PHYSIONET_PASSWORD", WORD)
    return {}


def in_netrc(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    file = Path.home() / ".netrc"
    file.write_text(netrc_line(NAME, WORD))
    file.chmod(0o600)
    return {}


def in_options(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"storage_options": options()}


def in_header(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"storage_options": {"headers": {"Authorization": f"Basic {SECRETS[2]}"}}}


SOURCES = [in_environment, in_netrc, in_options, in_header]


def assert_open(content: str | bytes) -> None:
    """Fail if a secret can be read in it."""
    content = content if isinstance(content, bytes) else content.encode()
    for secret in SECRETS:
        assert secret.encode() not in content
        assert secret.encode("utf-16-le") not in content


@pytest.fixture(autouse=True)
def another_user(remote_mimic: Remote) -> None:
    remote_mimic.server.users = {NAME: WORD}


@pytest.mark.parametrize("source", SOURCES)
def test_no_file_and_no_log_has_a_login(
    source: Callable[[pytest.MonkeyPatch], dict[str, Any]], remote_mimic: Remote, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    remote = remote_mimic
    given = source(monkeypatch)
    remote.server.fail(remote.images, Reset(20), Status(503), times=2, after=3)
    with caplog.at_level(logging.DEBUG):
        remote.load(**given, num_proc=2)["train"].save_to_disk(tmp_path / "cache" / "saved")
        rows_of(remote.load("studies", **given, missing="skip", streaming=True))
        remote.load(**given, embed=False)
    assert caplog.records
    assert_open(caplog.text)
    files = [file for file in Path(remote.cache).rglob("*") if file.is_file()]
    assert {file.suffix for file in files} >= {".arrow", ".json"}
    for file in files:
        assert_open(str(file))
        assert_open(file.read_bytes())


def messages(load: Callable[[], Any]) -> str:
    """All that is printed of an error."""
    try:
        load()
    except CxrError as error:
        return "".join(traceback.format_exception(error))
    raise AssertionError("No error came.")


@pytest.mark.parametrize("form", ["flat", "keyed"])
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(("file", "status"), [("csv", 401), ("csv", 500), ("jpg", 403)])
def test_no_message_and_no_traceback_has_a_login(
    remote_mimic: Remote, form: str, streaming: bool, file: str, status: int
) -> None:
    remote_mimic.server.fail(file, Status(status), times=None)
    given: dict[str, Any] = {"storage_options": options(form), "streaming": streaming}
    text = messages(lambda: rows_of(remote_mimic.load(**given)))
    assert f"answered {status}" in text
    assert_open(text)


def test_a_server_that_is_not_there_is_told_without_the_login(remote: Remote) -> None:
    remote.server.stop()
    assert_open(messages(lambda: remote.load(storage_options=options())))


@pytest.mark.parametrize("form", ["flat", "keyed"])
def test_no_pickle_has_a_login(remote: Remote, form: str) -> None:
    given: dict[str, Any] = {"storage_options": options(form)}
    builder = datasets.load_dataset_builder(
        remote.package, data_dir=remote.address, cache_dir=remote.cache, **given
    )
    stream = remote.stream(**given)
    built = remote.load(split="train", **given)
    for thing in (
        builder, stream, stream.shuffle(seed=1), stream.map(dict), built, built.select([1]),
        stream.features, builder.config, builder.info,
    ):  # fmt: skip
        for dumps in (pickle.dumps, dill_dumps):
            assert_open(dumps(thing))
            assert_open(repr(thing))
    assert_open(str(vars(builder.config)))
    assert_open(builder.config_id)
    assert_open(builder.cache_dir)


def test_an_open_file_system_is_not_written_down() -> None:
    address = "https://films.example.net/a"
    files = web_files(address, StorageOptions(options(), address), 8)
    for write in (pickle.dumps, dill_dumps, lambda files: files.to_json()):
        with pytest.raises(TypeError, match="holds a login") as caught:
            write(files)
        assert_open(str(caught.value))
    assert_open(f"{files!r} {files}")


def test_a_pickle_is_read_on_in_this_process(remote: Remote) -> None:
    stream = remote.stream(storage_options=options())
    again = pickle.loads(pickle.dumps(stream))
    assert [row["path"] for row in again] == [row["path"] for row in stream]


READ = """
import os, pickle, sys, mimic_cxr_jpg
from cxr_datasets.errors import StoreError

os.environ["PHYSIONET_HOST"] = "127.0.0.1"
file, os.environ["PHYSIONET_USERNAME"], password = sys.argv[1:]
content = open(file, "rb").read()
try:
    next(iter(pickle.loads(content)))
except StoreError as error:
    print(error)
os.environ["PHYSIONET_PASSWORD"] = password
print(sum(1 for row in pickle.loads(content)), "rows")
"""


def test_a_pickle_elsewhere_says_that_the_options_did_not_come_along(
    remote_mimic: Remote, tmp_path: Path
) -> None:
    stream = remote_mimic.stream(storage_options=options())
    rows = len(list(stream))
    (tmp_path / "stream").write_bytes(pickle.dumps(stream))
    words = ["-c", READ, str(tmp_path / "stream"), NAME, WORD]
    found = run(words, cwd=Path(__file__).parents[4], env=os.environ)
    assert found.returncode == 0, found.stderr
    told, counted = found.stdout.splitlines()
    assert "storage_options that were given did not reach this process" in told
    assert counted == f"{rows} rows"


def test_users_share_the_cache_of_one_release(remote: Remote) -> None:
    remote.server.users = {NAME: WORD, "another": "word"}
    built = remote.load("reports", storage_options=options())
    remote.server.reset()
    other = {"username": "another", "password": "word"}
    assert remote.load("reports", storage_options=other)["train"].cache_files == (
        built["train"].cache_files
    )
    assert {request.method for request in remote.server.requests} == {"HEAD"}


@pytest.mark.parametrize(
    "address",
    [
        "http://{name}:{word}@127.0.0.1:{port}/files",
        "https://{name}:{word}@physionet.org/files",
        "http://127.0.0.1:{port}/files?signature={word}",
        "zip://inner::http://{name}:{word}@127.0.0.1:{port}/a.zip",
        "zip://inner::http://127.0.0.1:{port}/a.zip?token={word}",
        "sftp://{name}:{word}@127.0.0.1/files",
    ],
)
def test_an_address_with_a_secret_is_refused_and_not_shown(
    remote: Remote, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    word = quote(WORD, safe="")
    given = address.format(name="name", word=word, port=remote.server.port)
    with caplog.at_level(logging.DEBUG), pytest.raises(OptionError, match="data_dir=") as caught:
        remote.load(data_dir=given)
    text = "".join(traceback.format_exception(caught.value))
    assert "storage_options=" in text
    # Python prints the user's own line, so not the whole traceback.
    assert_open(str(caught.value))
    assert_open(caplog.text)
    assert not remote.server.requests
    assert re.search(r"://[^/]*@", str(caught.value)) is None
