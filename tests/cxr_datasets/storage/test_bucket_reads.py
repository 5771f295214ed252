"""Files of a bucket are read by few connections and one small, signed request each."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cxr_datasets.errors import StoreError
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.source import Source, open_place
from tests.fakes import loopback
from tests.fakes.endless import Connection, Endless
from tests.fakes.recorder import Answer, Asked, Recorder
from tests.fakes.s3 import S3

SECRET = "hidden-key-of-a-reader"
LOGIN = {"key": "reader", "secret": SECRET}
BUCKET = "s3://releases"


def opened(url: str, connections: int | None = None, **options: Any) -> Source:
    """A bucket at an address; with options of s3fs."""
    given = StorageOptions({**LOGIN, "endpoint_url": url, **options}, BUCKET)
    return open_place(BUCKET, given, connections)


def content_of(asked: Asked) -> bytes:
    return b"bytes of " + asked.path.encode()


def object_of(asked: Asked) -> Answer:
    """Each path is an object, whose bytes tell its name."""
    content = content_of(asked)
    part = loopback.byte_range(asked.headers.get("Range", ""), len(content))
    if part is None:
        return Answer(200, {}, content)
    return Answer(206, {}, content[part.start : part.stop])


def read_all(place: Source, names: list[str]) -> list[bytes]:
    return [read() for read in place.each(names)]


@pytest.fixture
def bucket() -> Iterator[Recorder]:
    """A server that has every object, and looks at no signature."""
    with Recorder(object_of) as running:
        yield running


def by_s3fs(asked: Asked) -> bool:
    """Whether s3fs itself asks, by all that botocore does."""
    return "Amz-Sdk-Invocation-Id" in asked.headers


# --- few connections, small requests --------------------------------------------------------------


def test_files_come_over_as_many_connections_as_asked_for_which_stay_open(
    bucket: Recorder,
) -> None:
    at_once = threading.Barrier(12)  # more than botocore opens of itself

    def answer(asked: Asked) -> Answer:
        at_once.wait(timeout=60)
        return object_of(asked)

    bucket.answer = answer
    names = [f"{number}.jpg" for number in range(60)]
    found = read_all(opened(bucket.url, connections=12), names)
    assert found == [f"bytes of /releases/{name}".encode() for name in names]
    assert len(bucket.asked) == 60
    assert bucket.opened == 12


def test_a_file_is_read_by_one_request_signed_in_its_headers(bucket: Recorder) -> None:
    assert opened(bucket.url).read("a.jpg") == b"bytes of /releases/a.jpg"
    (asked,) = bucket.asked
    assert asked.method == "GET"
    assert asked.path == "/releases/a.jpg"  # nothing secret stands in the address
    assert asked.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=reader/")
    assert asked.headers["User-Agent"].startswith("cxr-datasets/")
    assert not by_s3fs(asked)


def test_who_has_no_login_sends_none(bucket: Recorder) -> None:
    given = StorageOptions({"anon": True, "endpoint_url": bucket.url}, BUCKET)
    assert open_place(BUCKET, given).read("a.jpg") == b"bytes of /releases/a.jpg"
    assert "Authorization" not in bucket.asked[0].headers


def test_a_temporary_login_is_sent_with_its_token(bucket: Recorder) -> None:
    opened(bucket.url, token="of-a-session").read("a.jpg")
    assert bucket.asked[0].headers["X-Amz-Security-Token"] == "of-a-session"


def test_part_of_a_file_is_asked_for_as_a_part(bucket: Recorder) -> None:
    assert opened(bucket.url).start("a.jpg", 5).to_pybytes() == b"bytes"
    assert bucket.asked[0].headers["Range"] == "bytes=0-4"


def test_a_program_name_of_the_users_own_is_sent(bucket: Recorder) -> None:
    opened(bucket.url, config_kwargs={"user_agent": "lab/1"}).read("a.jpg")
    assert bucket.asked[0].headers["User-Agent"].startswith("lab/1")


# --- what is left to s3fs -------------------------------------------------------------------------


def refusing(status: int, fails: Callable[[Asked], bool]) -> Callable[[Asked], Answer]:
    def answer(asked: Asked) -> Answer:
        return Answer(status) if fails(asked) else object_of(asked)

    return answer


def test_a_bucket_that_wants_other_requests_is_asked_by_s3fs_from_then_on(
    bucket: Recorder,
) -> None:
    bucket.answer = refusing(400, lambda asked: not by_s3fs(asked))
    names = ["a.jpg", "b.jpg", "c.jpg"]
    place = opened(bucket.url)
    assert [place.read(name) for name in names] == [
        f"bytes of /releases/{name}".encode() for name in names
    ]
    assert [by_s3fs(asked) for asked in bucket.asked] == [False, True, True, True]


def test_a_busy_bucket_is_asked_by_small_requests_again(bucket: Recorder) -> None:
    bucket.answer = refusing(503, lambda asked: len(bucket.asked) == 1)
    place = opened(bucket.url)
    assert [place.read("a.jpg"), place.read("b.jpg")] == [
        b"bytes of /releases/a.jpg", b"bytes of /releases/b.jpg",
    ]  # fmt: skip
    assert [by_s3fs(asked) for asked in bucket.asked] == [False, True, False]


def test_what_goes_with_each_request_is_sent_by_s3fs(bucket: Recorder) -> None:
    opened(bucket.url, requester_pays=True).read("a.jpg")
    (asked,) = bucket.asked
    assert asked.headers["X-Amz-Request-Payer"] == "requester"


def test_a_file_that_was_cut_on_its_way_is_asked_for_anew() -> None:
    asked: list[str] = []

    def answer(connection: Connection) -> None:
        asked.append(connection.path)
        connection.begin(206, Content_Length=10)
        connection.wfile.write(b"0123456789" if len(asked) > 1 else b"0123")
        if len(asked) == 1:
            connection.hang_up(reset=False)

    with Endless({"a.jpg": answer}) as server:
        assert opened(server.url).read("a.jpg") == b"0123456789"
    assert len(asked) == 2


def test_an_empty_file_has_no_bytes(bucket: Recorder) -> None:
    """S3 refuses the range that is asked for, as there is no such part of it."""
    bucket.answer = lambda asked: Answer(416)
    assert opened(bucket.url).read("a.jpg") == b""


# --- beside a store that checks signatures --------------------------------------------------------


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with S3() as s3:
        yield s3


def test_keys_of_all_characters_are_signed_as_they_are_sent(s3: S3) -> None:
    names = ["a b.jpg", "p1/ü+ä&.jpg", "~(x)!'*.jpg", "50%.jpg", "a=b,c;d@e.jpg"]
    place = s3.place("releases", "odd")
    for name in names:
        place.put(name, name.encode())
    login = s3.user("of-odd-names", read=["releases"])
    before = len(s3.requests)
    found = read_all(opened(s3.url, **login), [f"odd/{name}" for name in names])
    assert found == [name.encode() for name in names]
    assert len(s3.requests) == before + len(names)


def test_an_absent_file_is_told_by_one_request(s3: S3) -> None:
    s3.place("releases", "absent")
    login = s3.user("of-absent-files", read=["releases"])
    before = len(s3.requests)
    with pytest.raises(FileNotFoundError):
        opened(s3.url, **login).read("absent/a.jpg")
    assert len(s3.requests) == before + 1


def test_a_refusal_is_explained_and_nothing_secret_is_told(
    s3: S3, caplog: pytest.LogCaptureFixture
) -> None:
    s3.place("closed", "").put("a.jpg", b"bytes")
    login = s3.user("of-nothing", read=["releases"])
    caplog.set_level(logging.DEBUG, "cxr_datasets")
    given = StorageOptions({"endpoint_url": s3.url, **login}, "s3://closed")
    closed = open_place("s3://closed", given)
    with pytest.raises(StoreError, match=r"s3://closed/a\.jpg") as refused:
        closed.read("a.jpg")
    told = caplog.text + str(refused.value)
    assert "status 403" in caplog.text
    assert login["secret"] not in told
    assert "Signature" not in told
