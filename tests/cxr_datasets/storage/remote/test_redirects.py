"""What one server is told about the user goes to no other one, wherever it redirects."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pytest

from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.filesystems import open_files
from cxr_datasets.storage.source import Source, open_place
from tests.fakes.physionet import PASSWORD, USER, PhysioNet, Status
from tests.fakes.recorder import Answer, Asked, Recorder
from tests.remote import MIMIC, MIMIC_REPORTS, Remote, rows_of

pytestmark = [
    # A user may give aiohttp's own object.
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]

WORD = "invented-word-4d2b"
BASIC = base64.b64encode(f"reader:{WORD}".encode()).decode()
COOKIE = "set-by-the-server-77ab"
SECRETS = (WORD, BASIC, COOKIE, "reader")
CONTENT = b"0123456789" * 10

USERS: dict[str, Callable[[], dict[str, Any]]] = {
    "login": lambda: {"username": "reader", "password": WORD},
    "header": lambda: {
        "headers": {"authorization": f"Basic {BASIC}", "User-Agent": f"reader/{WORD}"}
    },
    "own header": lambda: {"headers": {"X-Api-Key": WORD, "Cookie": f"a={WORD}"}},
    "auth": lambda: {"auth": aiohttp.BasicAuth("reader", WORD)},
    "cookies": lambda: {"cookies": {"a": WORD}},
    "client's headers": lambda: {"client_kwargs": {"headers": {"X-Api-Key": WORD}}},
    "client's auth": lambda: {"client_kwargs": {"auth": aiohttp.BasicAuth("reader", WORD)}},
    "client's cookies": lambda: {"client_kwargs": {"cookies": {"a": WORD}}},
}


def whole(source: Source) -> None:
    assert source.read("a.csv") == CONTENT


def ranges(source: Source) -> None:
    assert b"".join(piece for _, piece in source.pieces("a.csv", 0, 100, 40)) == CONTENT


def size(source: Source) -> None:
    assert list(source.sizes(["a.csv"])) == [100]


def listing(source: Source) -> None:
    source.names("folder")


WAYS = [whole, ranges, size, listing]


def served(asked: Asked) -> Answer:
    """The file, or the range of it that was asked for."""
    first, _, last = asked.headers.get("Range", "").removeprefix("bytes=").partition("-")
    if not first:
        return Answer(200, {"ETag": '"1"'}, CONTENT)
    part = CONTENT[int(first) : int(last) + 1]
    return Answer(206, {"Content-Range": f"bytes {first}-{last}/100"}, part)


def leading(to: Callable[[Asked], str], session: str = "another") -> Callable[[Asked], Answer]:
    """Redirect whatever is asked for, and start a session."""
    cookie = f"sessionid={session}; Path=/"
    return lambda asked: Answer(302, {"Location": to(asked), "Set-Cookie": cookie})


@pytest.fixture(scope="module")
def home() -> Iterator[Recorder]:
    """The server that the user's options are for."""
    with Recorder(encrypted=True) as server:
        yield server


@pytest.fixture(scope="module")
def encrypted() -> Iterator[Recorder]:
    with Recorder(served, encrypted=True) as server:
        yield server


@pytest.fixture(scope="module")
def plain() -> Iterator[Recorder]:
    with Recorder(served) as server:
        yield server


@pytest.fixture(params=["other port", "other host", "http", "chain", "and back"])
def elsewhere(
    request: pytest.FixtureRequest, home: Recorder, encrypted: Recorder, plain: Recorder
) -> list[Recorder]:
    """The servers that `home` leads to."""
    home.asked.clear()
    other = encrypted if request.param != "http" else plain
    for server in (encrypted, plain):
        server.asked.clear()
        server.answer = served
    other_host = other.url.replace("127.0.0.1", "localhost")
    target = other.url if request.param in ("other port", "http") else other_host
    home.answer = leading(lambda asked: f"{target}{asked.path}", COOKIE)
    if request.param == "chain":  # a host, then another scheme, port and path
        encrypted.answer = leading(lambda asked: f"{plain.url}/b{asked.path}")
    if request.param == "and back":  # what comes back is as good as anybody's request
        plain.answer = leading(lambda asked: f"{encrypted.url}/b{asked.path}")
        home.answer = leading(lambda asked: f"{plain.url}{asked.path}", COOKIE)
    return [encrypted, plain]


def told(server: Recorder) -> str:
    """All that a server was told."""
    return str([(asked.path, asked.headers) for asked in server.asked])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("user", USERS)
def test_nothing_of_the_user_follows_a_redirect(
    user: str, way: Callable[[Source], None], home: Recorder, elsewhere: list[Recorder]
) -> None:
    place = f"{home.url}/release"
    source = open_place(place, StorageOptions(USERS[user](), place))
    way(source)
    way(source)  # with what the first answer set
    assert WORD in told(home) or BASIC in told(home)
    assert COOKIE in told(home)
    seen = "".join(told(server) for server in elsewhere)
    assert "Host" in seen
    for secret in SECRETS:
        assert secret not in seen
    agents = {asked.headers["User-Agent"] for other in elsewhere for asked in other.asked}
    assert len(agents) == 1
    assert agents.pop().startswith("cxr-datasets/")


def test_a_redirect_within_the_server_takes_the_login_along(home: Recorder) -> None:
    home.asked.clear()
    home.answer = lambda asked: (
        served(asked) if asked.path.startswith("/moved/") else
        Answer(302, {"Location": f"/moved{asked.path}", "Set-Cookie": f"s={COOKIE}; Path=/"})
    )  # fmt: skip
    place = f"{home.url}/release"
    options = {**USERS["login"](), "headers": {"X-Api-Key": WORD}}
    whole(open_place(place, StorageOptions(options, place)))
    last = home.asked[-1]
    assert last.path == "/moved/release/a.csv"
    assert last.headers["Authorization"] == f"Basic {BASIC}"
    assert last.headers["X-Api-Key"] == WORD
    assert last.headers["Cookie"] == f"s={COOKIE}"


def test_another_server_keeps_its_own_cookies(home: Recorder, encrypted: Recorder) -> None:
    """Some lead to themselves again and again, until the cookie that they set comes back."""
    home.answer = leading(lambda asked: f"{encrypted.url}{asked.path}")
    encrypted.answer = lambda asked: (
        served(asked) if asked.headers.get("Cookie") == "own=1" else
        Answer(302, {"Location": asked.path, "Set-Cookie": "own=1; Path=/"})
    )  # fmt: skip
    whole(open_place(f"{home.url}/release", StorageOptions()))


@pytest.mark.parametrize("chain", ["simplecache", "filecache", "blockcache"])
@pytest.mark.parametrize("user", ["login", "own header", "client's cookies"])
def test_nothing_follows_where_fsspec_caches_what_it_reads(
    chain: str, user: str, home: Recorder, elsewhere: list[Recorder]
) -> None:
    place = f"{chain}::{home.url}/release/a.csv"
    files, path = open_files(place, StorageOptions({"https": USERS[user]()}, place))
    assert files.cat_file(path) == CONTENT
    assert WORD in told(home) or BASIC in told(home)
    for server in elsewhere:
        assert not any(secret in told(server) for secret in SECRETS)


# --- a release, by the public door ----------------------------------------------------------------


@pytest.fixture
def mirror(remote_mimic: Remote) -> Iterator[PhysioNet]:
    """Another host with the same files, which asks for no login."""
    with PhysioNet(remote_mimic.server.folders, open_access=True) as running:
        yield running


OWN = {"headers": {"X-Api-Key": WORD}, "client_kwargs": {"cookies": {"a": WORD}}}


@pytest.mark.parametrize("options", [{"num_proc": 2}, {"streaming": True}], ids=str)
def test_nothing_of_the_user_follows_a_release_that_moved(
    options: dict[str, Any], remote_mimic: Remote, mirror: PhysioNet
) -> None:
    """Tables, the archive of reports and images, read here and by worker processes."""
    expected = rows_of(remote_mimic.local())
    server, elsewhere = remote_mimic.server, mirror.url.replace("127.0.0.1", "localhost")
    for path in remote_mimic.release.rglob("*.*"):
        place = f"{MIMIC}/{path.relative_to(remote_mimic.release)}"
        server.fail(f"^/{place}$", Status(302, {"Location": f"{elsewhere}/{place}"}), times=None)
    archive = f"{MIMIC_REPORTS}/mimic-cxr-reports.zip"
    server.fail("reports.zip$", Status(302, {"Location": f"{elsewhere}/{archive}"}), times=None)
    login = {"username": USER, "password": PASSWORD}
    assert rows_of(remote_mimic.load(storage_options={**login, **OWN}, **options)) == expected
    for request in server.requests:
        assert request.headers["X-Api-Key"] == WORD
        assert f"a={WORD}" in request.headers["Cookie"]
    asked = {request.path.rpartition(".")[2] for request in mirror.requests}
    assert asked >= {"zip", "gz", "jpg"}
    for request in mirror.requests:
        assert not {"Authorization", "Cookie", "X-Api-Key"} & request.headers.keys()
        assert WORD not in str(request.headers)
