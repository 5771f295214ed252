"""The loopback PhysioNet does to real clients what PhysioNet does."""

from __future__ import annotations

import asyncio
import base64
import http.client
import multiprocessing
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urljoin, urlsplit

import aiohttp
import pytest

from tests.fakes.physionet import (
    HOST,
    PASSWORD,
    USER,
    Fault,
    NotFound,
    PhysioNet,
    Refuse,
    Request,
    Reset,
    Short,
    Stall,
    Status,
    Truncate,
    WholeBody,
)

ROOT = "files/mimic-cxr-jpg/2.1.0"
REPORTS = "files/mimic-cxr/2.1.0"
IMAGE = f"{ROOT}/files/p10/image.jpg"
PIXELS = bytes(range(256)) * 40
LARGE = os.urandom(3_000_000)
WGET = "Wget/1.21.3"
LOGIN = (USER, PASSWORD)
T = TypeVar("T")


class Response(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def ask(
    connection: http.client.HTTPConnection,
    path: str,
    *,
    method: str = "GET",
    agent: str = WGET,
    login: tuple[str, str] | None = LOGIN,
    **headers: str,
) -> Response:
    """One request on a connection; a header's name is written with `_` for `-`."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent.setdefault("User-Agent", agent)
    if login is not None:
        sent.setdefault("Authorization", basic(*login))
    connection.request(method, path if "://" in path else f"/{path.lstrip('/')}", headers=sent)
    answer = connection.getresponse()
    return Response(answer.status, answer.headers, answer.read())


def connect(server: PhysioNet, timeout: float = 5) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=timeout)


def fetch(server: PhysioNet, path: str, timeout: float = 5, **options: Any) -> Response:
    """As `ask`, on a connection of its own."""
    connection = connect(server, timeout)
    try:
        return ask(connection, path, **options)
    finally:
        connection.close()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, 5))


def session(**options: Any) -> aiohttp.ClientSession:
    headers = {"User-Agent": WGET, "Authorization": basic(*LOGIN)}
    return aiohttp.ClientSession(headers=headers, **options)


def until(condition: Any) -> bool:
    """Whether it comes true within two seconds."""
    for _ in range(400):
        if condition():
            return True
        time.sleep(0.005)
    return False


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Invented files, none of them read by any test as what its name says."""
    root = tmp_path_factory.mktemp("site") / "release"
    (root / "files" / "p10" / "empty folder").mkdir(parents=True)
    (root / "files" / "p10" / "image.jpg").write_bytes(PIXELS)
    (root / "large.bin").write_bytes(LARGE)
    (root / "README").write_text("invented\n")
    (root / "nothing.txt").write_bytes(b"")
    (root / "a & b <c> ü%20.txt").write_text("odd name")
    (root / ("long-" * 20 + "name.txt")).write_text("long name")
    (root.parent / "secret.txt").write_text("outside")
    (root / "way-out").symlink_to(root.parent / "secret.txt")
    return root


@pytest.fixture
def server(release: Path, tmp_path: Path) -> Iterator[PhysioNet]:
    """A PhysioNet with two folders, one of them of this test only."""
    (tmp_path / "reports.zip").write_bytes(b"invented archive")
    with PhysioNet({ROOT: release, REPORTS: tmp_path}) as running:
        yield running


def serve(release: Path, **options: Any) -> PhysioNet:
    return PhysioNet({ROOT: release}, **options)


# ------------------------------------------------------------------ who may read


def test_a_listed_agent_with_a_good_login_gets_the_file(server: PhysioNet) -> None:
    for agent in (WGET, "libwfdb/10.7.0 (libcurl/7.0)"):
        answer = fetch(server, IMAGE, agent=agent)
        assert (answer.status, answer.body) == (200, PIXELS)
        assert answer.headers["Content-Length"] == str(len(PIXELS))
        assert answer.headers["Content-Type"] == "image/jpeg"


@pytest.mark.parametrize("agent", ["Python/3.11 aiohttp/3.14", "Mozilla/5.0 Wget/1", "wget/1", ""])
def test_another_agent_gets_403_even_with_a_good_login(server: PhysioNet, agent: str) -> None:
    answer = fetch(server, IMAGE, agent=agent)
    assert answer.status == 403
    assert answer.headers["WWW-Authenticate"] is None
    assert server.logins == 0


def test_an_agent_that_was_put_on_the_list_is_served(release: Path) -> None:
    with serve(release, agents=("cxr-datasets/",)) as server:
        assert fetch(server, IMAGE, agent="cxr-datasets/9").status == 200
        assert fetch(server, IMAGE).status == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_login_counts_for_get_and_head_only(server: PhysioNet, method: str) -> None:
    connection = connect(server)
    assert ask(connection, IMAGE, method=method, Content_Length="0").status == 403
    assert ask(connection, IMAGE, method="HEAD").status == 200
    connection.close()


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        basic(USER, "wrong"),
        basic("nobody", PASSWORD),
        basic(USER, "") + "!",
        "Basic",
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        basic(*LOGIN).replace("Basic", "Bearer"),
    ],
)
def test_no_login_and_a_bad_one_get_401_and_the_test_cookie(
    server: PhysioNet, authorization: str | None
) -> None:
    headers: dict[str, Any] = {} if authorization is None else {"Authorization": authorization}
    answer = fetch(server, IMAGE, login=None, **headers)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith('Basic realm="')
    assert answer.headers["Set-Cookie"].startswith("testcookie=testcookie;")
    assert server.logins == (authorization is not None)
    assert server.requests[0].user is None


def test_a_user_who_has_not_signed_gets_403(release: Path) -> None:
    users = {"has-signed": "a", "has-not": "b"}
    with serve(release, users=users, signed={"has-signed"}) as server:
        assert fetch(server, IMAGE, login=("has-signed", "a")).status == 200
        assert fetch(server, IMAGE, login=("has-not", "b")).status == 403
        assert fetch(server, IMAGE, login=("has-not", "a")).status == 401
        assert [request.user for request in server.requests] == ["has-signed", "has-not", None]


def test_an_agreement_is_signed_for_each_folder(release: Path, tmp_path: Path) -> None:
    folders = {ROOT: release, REPORTS: tmp_path}
    with PhysioNet(folders, signed={ROOT: [USER]}) as server:
        assert fetch(server, IMAGE).status == 200
        assert fetch(server, f"{REPORTS}/").status == 403


def test_what_is_missing_is_told_only_to_one_who_may_read(server: PhysioNet) -> None:
    assert fetch(server, f"{ROOT}/missing.jpg").status == 404
    assert fetch(server, f"{ROOT}/README/").status == 404
    assert fetch(server, f"{ROOT}/missing.jpg", login=None).status == 401
    assert fetch(server, f"{ROOT}/missing.jpg", agent="other").status == 403
    assert fetch(server, "files/another-project/1.0/README", login=None).status == 404
    assert fetch(server, f"{ROOT}0/README", login=None).status == 404


def test_open_access_asks_for_nothing(release: Path) -> None:
    with serve(release, open_access=True) as server:
        assert fetch(server, IMAGE, login=None, agent="any").status == 200
        assert fetch(server, IMAGE, method="POST", Content_Length="0").status == 405


def test_urllib_logs_in_when_it_is_asked_to(server: PhysioNet) -> None:
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, server.url, *LOGIN)
    jar = CookieJar()
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPBasicAuthHandler(passwords),
        urllib.request.HTTPCookieProcessor(jar),
    )
    opener.addheaders = [("User-Agent", WGET)]
    for _ in range(3):
        with opener.open(server.address(IMAGE), timeout=5) as answer:
            assert answer.read() == PIXELS
    assert [request.status for request in server.requests] == [401, 200, 200, 200]
    assert {cookie.name for cookie in jar} == {"testcookie", "sessionid"}
    assert server.logins == 1


# ------------------------------------------------------------------ cookies


def test_a_session_cookie_saves_the_login(server: PhysioNet) -> None:
    cookie = fetch(server, IMAGE).headers["Set-Cookie"].partition(";")[0]
    assert cookie.startswith("sessionid=")
    again = fetch(server, IMAGE, login=None, Cookie=f"testcookie=testcookie; {cookie}")
    assert (again.status, again.headers["Set-Cookie"]) == (200, None)
    assert fetch(server, IMAGE, Cookie=cookie).status == 200
    assert server.logins == 1
    assert {request.user for request in server.requests} == {USER}


def test_without_cookies_each_request_is_a_login(server: PhysioNet) -> None:
    for _ in range(3):
        fetch(server, IMAGE)
    assert server.logins == 3


def test_a_session_is_worth_nothing_to_another_agent_or_if_invented(server: PhysioNet) -> None:
    cookie = fetch(server, IMAGE).headers["Set-Cookie"].partition(";")[0]
    assert fetch(server, IMAGE, agent="other", Cookie=cookie).status == 403
    assert fetch(server, IMAGE, login=None, Cookie="sessionid=invented").status == 401


def test_a_server_that_tests_cookies_needs_one_with_the_login(release: Path) -> None:
    with serve(release, tests_cookies=True) as server:
        assert fetch(server, IMAGE).headers["Set-Cookie"] is None
        asked = fetch(server, IMAGE, login=None).headers["Set-Cookie"].partition(";")[0]
        cookie = fetch(server, IMAGE, Cookie=asked).headers["Set-Cookie"].partition(";")[0]
        assert cookie.startswith("sessionid=")
        assert fetch(server, IMAGE, Cookie=cookie).status == 200
        assert fetch(server, IMAGE, login=None, Cookie=cookie).status == 401
        assert server.logins == 2


@pytest.mark.parametrize("proxied", [True, False])
def test_aiohttp_keeps_the_cookies_of_a_host_with_a_name(server: PhysioNet, proxied: bool) -> None:
    async def read_often() -> None:
        url = server.address(IMAGE).replace("127.0.0.1", "localhost")
        options: dict[str, Any] = {}
        if proxied:
            url, options = f"http://{HOST}/{IMAGE}", {"proxy": server.url}
        async with session() as client:
            for _ in range(3):
                async with client.get(url, **options) as answer:
                    assert await answer.read() == PIXELS

    run(read_often())
    assert server.logins == 1


# ------------------------------------------------------------------ files


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-299", 100, 300),
        ("bytes=10000-", 10000, 10240),
        ("bytes=10000-99999", 10000, 10240),
        ("bytes=-7", 10233, 10240),
        ("bytes=-99999", 0, 10240),
    ],
)
def test_a_range_is_served_as_206(server: PhysioNet, asked: str, first: int, end: int) -> None:
    connection = connect(server)
    answer = ask(connection, IMAGE, Range=asked)
    assert (answer.status, answer.body) == (206, PIXELS[first:end])
    assert answer.headers["Content-Range"] == f"bytes {first}-{end - 1}/{len(PIXELS)}"
    assert answer.headers["Content-Length"] == str(end - first)
    head = ask(connection, IMAGE, method="HEAD", Range=asked)
    assert (head.status, head.body) == (206, b"")
    assert head.headers["Content-Range"] == answer.headers["Content-Range"]
    connection.close()


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=99999-100000", "bytes=-0"])
def test_a_range_beyond_the_end_is_416(server: PhysioNet, asked: str) -> None:
    answer = fetch(server, IMAGE, Range=asked)
    assert answer.status == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(PIXELS)}"


@pytest.mark.parametrize("asked", ["bytes=-", "bytes=0-1,4-5", "items=0-1", "bytes=a-b"])
def test_what_is_not_one_plain_range_gets_the_whole_file(server: PhysioNet, asked: str) -> None:
    answer = fetch(server, IMAGE, Range=asked)
    assert (answer.status, answer.body) == (200, PIXELS)


def test_a_server_without_ranges_sends_the_whole_file(release: Path) -> None:
    with serve(release, ranges=False) as server:
        answer = fetch(server, IMAGE, Range="bytes=5-9")
        assert (answer.status, answer.body) == (200, PIXELS)
        assert answer.headers["Accept-Ranges"] is None


def test_a_head_has_the_headers_of_a_get_and_no_body(server: PhysioNet) -> None:
    connection = connect(server)
    get, head = (ask(connection, IMAGE, method=method) for method in ("GET", "HEAD"))
    assert head.body == b""
    for name in ("Content-Length", "Content-Type", "ETag", "Last-Modified", "Accept-Ranges"):
        assert head.headers[name] == get.headers[name] is not None
    connection.close()


def test_an_etag_changes_with_the_file_and_guards_a_range(
    server: PhysioNet, tmp_path: Path
) -> None:
    path = f"{REPORTS}/reports.zip"
    old = fetch(server, path).headers["ETag"]
    assert fetch(server, path, Range="bytes=2-", If_Range=old).status == 206
    (tmp_path / "reports.zip").write_bytes(b"another archive!")
    answer = fetch(server, path, Range="bytes=2-", If_Range=old)
    assert (answer.status, answer.body) == (200, b"another archive!")
    assert answer.headers["ETag"] != old


def test_etags_can_be_left_out(release: Path) -> None:
    with serve(release, etags=False) as server:
        answer = fetch(server, IMAGE)
        assert answer.headers["ETag"] is None
        assert answer.headers["Last-Modified"].endswith("GMT")


def test_large_and_empty_files_arrive_whole_on_one_connection(server: PhysioNet) -> None:
    connection = connect(server)
    bodies, sockets = [], set()
    for name in ("large.bin", "nothing.txt", "large.bin"):
        bodies.append(ask(connection, f"{ROOT}/{name}").body)
        sockets.add(connection.sock)
    assert bodies == [LARGE, b"", LARGE]
    assert len(sockets) == 1
    assert None not in sockets
    connection.close()


@pytest.mark.parametrize(
    "path",
    [
        f"{ROOT}/../secret.txt",
        f"{ROOT}/files/../../secret.txt",
        f"{ROOT}/%2e%2e/secret.txt",
        f"{ROOT}/..%2fsecret.txt",
        f"{ROOT}/way-out",
        f"{ROOT}/README%00",
        f"{ROOT}//etc/hostname",
        f"http://{HOST}/{ROOT}/../secret.txt",
    ],
)
def test_nothing_outside_the_folders_is_served(server: PhysioNet, path: str) -> None:
    answer = fetch(server, path)
    assert answer.status == 404
    assert b"outside" not in answer.body


# ------------------------------------------------------------------ folders


class Links(HTMLParser):
    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.links: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if name == "href" and value is not None]


def test_an_index_page_lists_folders_then_files(server: PhysioNet) -> None:
    answer = fetch(server, f"{ROOT}/")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert Links(answer.body).links == [
        "../",
        "files/",
        "README",
        "a%20%26%20b%20%3Cc%3E%20%C3%BC%2520.txt",
        "large.bin",
        "long-" * 20 + "name.txt",
        "nothing.txt",
        "way-out",
    ]
    lines = answer.body.decode().splitlines()
    (large,) = [line for line in lines if "large.bin" in line]
    assert large.split()[-1] == str(len(LARGE))
    (folder,) = [line for line in lines if "files/</a>" in line]
    assert folder.split()[-1] == "-"


def test_a_crawl_of_the_index_pages_finds_every_file(server: PhysioNet, release: Path) -> None:
    connection = connect(server)
    to_see, found = [f"{server.url}/{ROOT}/"], {}
    while to_see:
        page = to_see.pop()
        for link in Links(ask(connection, urlsplit(page).path).body).links:
            url = urljoin(page, link)
            if link.endswith("/"):
                to_see += [url] * (link != "../")
            elif link != "way-out":
                found[url] = ask(connection, urlsplit(url).path).body
    connection.close()
    files = [file for file in release.rglob("*") if file.is_file() and not file.is_symlink()]
    expected = {
        server.address(f"{ROOT}/{file.relative_to(release)}"): file.read_bytes() for file in files
    }
    assert found == expected


def test_a_folder_without_its_slash_is_redirected(server: PhysioNet) -> None:
    for folder in (ROOT, f"{ROOT}/files", f"{ROOT}/files/p10/empty%20folder"):
        answer = fetch(server, folder)
        assert answer.status == 301
        assert answer.headers["Location"] == f"{server.url}/{folder}/"
    proxied = fetch(server, f"http://{HOST}/{ROOT}/files?a=b")
    assert proxied.headers["Location"] == f"http://{HOST}/{ROOT}/files/?a=b"


def test_listings_can_be_forbidden(release: Path) -> None:
    with serve(release, listing=False) as server:
        assert fetch(server, f"{ROOT}/").status == 403
        assert fetch(server, IMAGE).status == 200


# ------------------------------------------------------------------ as a proxy


def test_a_proxied_request_is_served_for_its_own_host_only(server: PhysioNet) -> None:
    answer = fetch(server, f"http://{HOST}/{IMAGE}")
    assert (answer.status, answer.body) == (200, PIXELS)
    assert fetch(server, f"http://example.org/{IMAGE}").status == 502
    first, second = server.requests
    assert (first.path, first.host, second.host) == (f"/{IMAGE}", HOST, "example.org")


# ------------------------------------------------------------------ faults


def test_a_status_comes_with_its_headers_and_then_all_is_well(server: PhysioNet) -> None:
    server.fail(r"\.jpg$", Status(503, {"Retry-After": "2"}), Status(429), times=1)
    connection = connect(server)
    assert ask(connection, f"{ROOT}/README").status == 200
    busy = ask(connection, IMAGE)
    assert (busy.status, busy.headers["Retry-After"]) == (503, "2")
    assert [ask(connection, IMAGE).status for _ in range(2)] == [429, 200]
    connection.close()


def test_faults_happen_after_so_many_requests_and_so_often(server: PhysioNet) -> None:
    server.fail("image", Status(500), times=2, after=1)
    assert [fetch(server, IMAGE).status for _ in range(5)] == [200, 500, 500, 200, 200]
    server.fail("image", Status(502), Status(504), times=None)
    assert [fetch(server, IMAGE).status for _ in range(5)] == [502, 504, 502, 504, 502]
    server.heal()
    assert fetch(server, IMAGE).status == 200
    with pytest.raises(ValueError, match="needs a fault"):
        server.fail("image")


def test_a_fault_waits_for_a_request_that_it_can_happen_to(server: PhysioNet) -> None:
    server.fail("image", Short(10))
    server.fail("image", WholeBody())
    assert fetch(server, IMAGE, login=None).status == 401
    assert fetch(server, IMAGE, agent="other").status == 403
    assert fetch(server, IMAGE, method="HEAD").status == 200
    with pytest.raises(http.client.IncompleteRead):
        fetch(server, IMAGE)
    assert fetch(server, IMAGE, Range="bytes=0-9").status == 200
    assert fetch(server, IMAGE, Range="bytes=0-9").status == 206


def test_a_file_can_be_missing_for_once(server: PhysioNet) -> None:
    server.fail("image", NotFound())
    assert [fetch(server, IMAGE).status for _ in range(2)] == [404, 200]


def read_until_it_breaks(server: PhysioNet) -> tuple[bytes, type[BaseException] | None]:
    """What came of the image's body, and the error that ended it."""
    connection = connect(server)
    headers = {"User-Agent": WGET, "Authorization": basic(*LOGIN)}
    connection.request("GET", f"/{IMAGE}", headers=headers)
    answer = connection.getresponse()
    assert answer.headers["Content-Length"] == str(len(PIXELS))
    body = b""
    try:
        while piece := answer.read(512):
            body += piece
    except (http.client.HTTPException, OSError) as error:
        return body, type(error)
    finally:
        connection.close()
    return body, None


def test_a_reset_comes_in_the_middle_of_the_body(server: PhysioNet) -> None:
    server.fail("image", Reset(1024), Reset(0), Reset(1_000_000))
    assert read_until_it_breaks(server) == (PIXELS[:1024], ConnectionResetError)
    assert read_until_it_breaks(server) == (b"", ConnectionResetError)
    body, error = read_until_it_breaks(server)
    assert error is ConnectionResetError
    assert len(body) < len(PIXELS)
    assert fetch(server, IMAGE).body == PIXELS


def test_a_short_body_ends_cleanly_before_its_content_length(server: PhysioNet) -> None:
    server.fail("image", Short(1000), Short(1_000_000))
    for length in (1000, len(PIXELS) - 1):
        with pytest.raises(http.client.IncompleteRead) as caught:
            fetch(server, IMAGE)
        assert caught.value.partial == PIXELS[:length]
    assert fetch(server, IMAGE).body == PIXELS


def test_a_truncated_file_looks_whole(server: PhysioNet) -> None:
    server.fail("image", Truncate(77), Truncate(77), Truncate(1_000_000))
    answer = fetch(server, IMAGE)
    assert (answer.status, answer.body) == (200, PIXELS[:77])
    assert answer.headers["Content-Length"] == "77"
    part = fetch(server, IMAGE, Range="bytes=100-299")
    assert (part.status, part.body) == (206, PIXELS[100:177])
    assert part.headers["Content-Range"] == f"bytes 100-176/{len(PIXELS)}"
    assert fetch(server, IMAGE).body == PIXELS[:-1]


def test_a_whole_body_answers_one_range(server: PhysioNet) -> None:
    server.fail("image", WholeBody())
    answer = fetch(server, IMAGE, Range="bytes=5-9")
    assert (answer.status, answer.body) == (200, PIXELS)
    assert answer.headers["Content-Range"] is None
    assert fetch(server, IMAGE, Range="bytes=5-9").body == PIXELS[5:10]


def test_a_refused_request_gets_no_answer(server: PhysioNet) -> None:
    server.fail("image", Refuse())
    with pytest.raises(http.client.RemoteDisconnected):
        fetch(server, IMAGE)
    assert [request.status for request in server.requests] == [None]
    assert fetch(server, IMAGE).status == 200


def test_a_stall_is_silent_then_sends_the_rest(server: PhysioNet) -> None:
    server.fail("image", Stall(100, seconds=0.2))
    start = time.monotonic()
    assert fetch(server, IMAGE).body == PIXELS
    assert time.monotonic() - start >= 0.2


def test_a_stall_ends_when_the_client_gives_up(server: PhysioNet) -> None:
    server.fail("image", Stall(100, seconds=60))
    with pytest.raises(TimeoutError):
        fetch(server, IMAGE, timeout=0.1)
    assert until(lambda: server.requests[0].end is not None)
    assert fetch(server, IMAGE).body == PIXELS
    assert server.max_concurrent == 1


def test_a_stall_ends_when_the_server_stops(release: Path) -> None:
    server = serve(release)
    server.fail("image", Stall(100, seconds=60))
    with ThreadPoolExecutor(1) as pool:
        with server:
            waiting = pool.submit(fetch, server, IMAGE, timeout=30)
            assert until(lambda: server.requests and server.requests[0].status == 200)
            start = time.monotonic()
        assert time.monotonic() - start < 1
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            waiting.result(timeout=5)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Reset(1024), aiohttp.ClientError),
        (Short(1024), aiohttp.ClientPayloadError),
        (Stall(1024), asyncio.TimeoutError),
        (Status(429), aiohttp.ClientResponseError),
        (NotFound(), aiohttp.ClientResponseError),
    ],
)
def test_aiohttp_sees_the_faults(
    server: PhysioNet, fault: Fault, error: type[BaseException]
) -> None:
    async def read() -> tuple[bool, bytes]:
        timeout = aiohttp.ClientTimeout(sock_read=0.2)
        async with session(timeout=timeout, raise_for_status=True) as client:
            failed = False
            try:
                async with client.get(server.address(IMAGE)) as answer:
                    await answer.read()
            except error:
                failed = True
            async with client.get(server.address(IMAGE)) as answer:
                return failed, await answer.read()

    server.fail("image", fault)
    assert run(read()) == (True, PIXELS)


# ------------------------------------------------------------------ what is recorded


def test_every_request_is_recorded_in_order(server: PhysioNet) -> None:
    before = time.monotonic()
    fetch(server, f"{ROOT}/a%20%26%20b%20%3Cc%3E%20%C3%BC%2520.txt?x=y", Range="bytes=0-3")
    fetch(server, IMAGE, method="HEAD", agent="other")
    first, second = server.requests
    assert isinstance(first, Request)
    assert (first.method, first.status, first.user) == ("GET", 206, USER)
    assert first.path == f"/{ROOT}/a & b <c> ü%20.txt"
    assert first.headers["User-Agent"] == WGET
    assert first.headers["Range"] == "bytes=0-3"
    assert (second.method, second.status, second.user) == ("HEAD", 403, None)
    assert first.end is not None
    assert second.end is not None
    assert before <= first.start <= first.end <= second.start <= second.end <= time.monotonic()
    server.reset()
    assert (server.requests, server.logins, server.max_concurrent) == ([], 0, 0)


def test_requests_at_once_are_counted_and_wait_at_the_same_time(server: PhysioNet) -> None:
    server.latency = 0.2
    start = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: fetch(server, IMAGE), range(6)))
    took = time.monotonic() - start
    assert [answer.body for answer in answers] == [PIXELS] * 6
    assert server.max_concurrent == 6
    assert 0.2 <= took < 1.2
    server.reset()
    server.latency = 0
    for _ in range(50):
        fetch(server, IMAGE)
    assert server.max_concurrent == 1


# ------------------------------------------------------------------ starting and stopping


def test_a_dead_server_refuses_connections_and_comes_back_on_its_port(server: PhysioNet) -> None:
    url = server.url
    kept = connect(server)
    cookie = ask(kept, IMAGE).headers["Set-Cookie"].partition(";")[0]
    server.stop()
    server.stop()
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        ask(kept, IMAGE)
    kept.close()
    with pytest.raises(ConnectionRefusedError):
        fetch(server, IMAGE)
    server.start()
    server.start()
    assert server.url == url
    assert fetch(server, IMAGE, login=None, Cookie=cookie).body == PIXELS


def test_a_stopped_server_leaves_no_thread_and_no_connection(release: Path) -> None:
    before = set(threading.enumerate())
    with serve(release, latency=30) as server:
        idle = socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])))
        busy = connect(server)
        busy.request("GET", f"/{IMAGE}")
        assert until(lambda: server.max_concurrent == 1)
    assert set(threading.enumerate()) == before
    assert idle.recv(1) == b""
    idle.close()
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        busy.getresponse()
    busy.close()


def test_a_client_that_leaves_in_the_middle_is_no_defect(server: PhysioNet) -> None:
    connection = connect(server)
    headers = {"User-Agent": WGET, "Authorization": basic(*LOGIN)}
    connection.request("GET", f"/{ROOT}/large.bin", headers=headers)
    answer = connection.getresponse()
    answer.read(10)
    answer.close()
    connection.close()
    assert until(lambda: server.requests[0].end is not None)


def test_a_defect_of_the_server_is_raised_at_its_end(
    release: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail_inside() -> None:
        with serve(release) as server:
            server.latency = "no number"  # type: ignore[assignment]
            with pytest.raises(http.client.RemoteDisconnected):
                fetch(server, IMAGE)

    with pytest.raises(RuntimeError, match="loopback server itself"):
        fail_inside()
    assert capfd.readouterr() == ("", "")


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_keeps_no_copy_of_its_sockets(server: PhysioNet) -> None:
    connection = connect(server)
    assert ask(connection, IMAGE).status == 200
    fork = multiprocessing.get_context("fork")
    over = fork.Event()
    child = fork.Process(target=over.wait)
    child.start()
    try:
        server.fail("image", Reset(100))
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            ask(connection, IMAGE)
        server.stop()
        with pytest.raises(ConnectionRefusedError):
            fetch(server, IMAGE)
        server.start()
        assert fetch(server, IMAGE).body == PIXELS
    finally:
        over.set()
        child.join()
        connection.close()
