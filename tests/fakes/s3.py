"""S3 on loopback: moto's server, which checks signatures and permissions, with a log of requests.

    with S3() as s3:
        reader = s3.user("reader", read=["releases"])
        s3.place("releases", "indiana", folder)
        S3FileSystem(endpoint_url=s3.url, **reader)

Access points are reached as the real ones are, by a host name of their own: give clients
`s3.through_proxy()`, as a proxy gets requests for any host.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import boto3
from botocore.config import Config
from botocore.loaders import JSONFileLoader
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.utilities.utils import get_partition

from tests.fakes.loopback import Connection, Loopback

REGION = "us-east-1"
ACCOUNT = "123456789012"
"""The account of everything that moto makes, its own invention."""

_OWNER = "the-owner"
"""What the client of this module calls itself."""

_REFUSED = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"""


_load = JSONFileLoader.load_file


@cache
def _loaded(path: str) -> Any:
    return _load(JSONFileLoader(), path)


# Each session of botocore parses the same megabytes of JSON anew; a test has several.
JSONFileLoader.load_file = lambda _, path: _loaded(path)


class _Moto(DomainDispatcherApplication):
    """Keeps which service a host is: moto lists its 200 folders for each request."""

    get_backend_for_host = cache(DomainDispatcherApplication.get_backend_for_host)


class Asked(NamedTuple):
    """One request."""

    method: str
    host: str
    path: str


class _Connection(Connection, MotoRequestHandler):
    """Stays open from one request to the next, as with S3; werkzeug's own closes after each."""

    server_version = "moto"
    wbufsize = -1  # an answer goes out as one packet

    def run_wsgi(self) -> None:
        """Answer one request, of any method."""
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
            self.wfile.flush()
        environ = self.make_environ()
        if not environ.get("wsgi.input_terminated"):  # it does not end by itself
            environ["wsgi.input"] = BytesIO(self.body())
        said: list[Any] = []
        content = b"".join(self.server.owner.answer(environ, lambda *head: said.extend(head)))
        status, headers = said
        self.send_response(int(status.split()[0]), status.partition(" ")[2])
        for name, value in headers:
            self.send_header(name, value)
        if "content-length" not in {name.lower() for name, _ in headers}:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: `S3.requests` holds what happened."""


class S3(Loopback):
    """S3 and the services around it, for as long as a `with` lasts; one at a time in a process.

    Attributes:
        requests: What was asked so far, by anybody but this class.
    """

    connection = _Connection

    def __init__(self) -> None:
        super().__init__()
        self._moto = _Moto(create_backend_app)
        self.requests: list[Asked] = []
        self.bind()

    def bind(self) -> None:
        """Take the port; the server tells werkzeug what it asks of one."""
        super().bind()
        vars(self._server).update(ssl_context=None, multithread=True, multiprocess=False)

    def __enter__(self) -> S3:
        super().__enter__()
        self._post("/moto-api/reset")
        self._keys = self.user("owner", allow=["*"])
        self._post("/moto-api/reset-auth", b"0")  # from now on permissions count
        return self

    def __exit__(self, *error: object) -> None:
        self._post("/moto-api/reset-auth", b"inf")
        super().__exit__(*error)

    def user(
        self, name: str, *, read: Sequence[str] = (), allow: Sequence[str] = ()
    ) -> dict[str, str]:
        """Make a user.

        Args:
            name: The user's name.
            read: Buckets, or places in them (`bucket/prefix/*`), whose objects may be read; of
                whole buckets the list too.
            allow: Resources with which anything may be done.

        Returns:
            `key` and `secret`, as s3fs calls them.
        """
        resources = [f"arn:aws:s3:::{place}" for place in read]
        resources += [f"{resource}/*" for resource in resources if "/" not in resource]
        statements = [
            {"Effect": "Allow", "Action": actions, "Resource": on}
            for actions, on in (
                (["s3:GetObject", "s3:ListBucket"], resources), ("*", list(allow)),
            )
            if on
        ]  # fmt: skip
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        # Past the server, here and below: a client takes longer to make than most tests.
        iam = iam_backends[ACCOUNT][get_partition(REGION)]
        iam.create_user(REGION, name)
        iam.put_user_policy(name, "all", policy)
        key = iam.create_access_key(name)
        return {"key": key.access_key_id, "secret": key.secret_access_key}

    def place(self, bucket: str, prefix: str, folder: Path | None = None) -> S3Place:
        """Make a bucket, unless it is there, and put a folder's files into it."""
        if bucket not in _backend().buckets:
            _backend().create_bucket(bucket, REGION)
        place = S3Place(self, bucket, prefix)
        for file in folder.rglob("*") if folder else ():
            if file.is_file():
                place.put(file.relative_to(folder).as_posix(), file.read_bytes())
        return place

    def access_point(self, name: str, bucket: str) -> str:
        """Make an access point of a bucket; gives its ARN."""
        client = boto3.client(
            "s3control",
            region_name=REGION,
            aws_access_key_id=self._keys["key"],
            aws_secret_access_key=self._keys["secret"],
            use_ssl=False,
            config=Config(proxies={"http": self.url}, user_agent=_OWNER),
        )
        made = client.create_access_point(AccountId=ACCOUNT, Name=name, Bucket=bucket)
        return made["AccessPointArn"]

    def through_proxy(self) -> dict[str, Any]:
        """Options of s3fs that lead requests for AWS's own hosts here."""
        return {"use_ssl": False, "config_kwargs": {"proxies": {"http": self.url}}}

    def _post(self, path: str, body: bytes = b"") -> None:
        request = urllib.request.Request(
            f"{self.url}{path}", body, {"Content-Type": "application/octet-stream"}
        )
        urllib.request.urlopen(request).close()

    def answer(
        self, environ: dict[str, Any], start: Callable[[str, list[tuple[str, str]]], object]
    ) -> Iterable[bytes]:
        """Answer a request of WSGI, as moto or, to one without a login, as S3."""
        path, method = unquote(environ["PATH_INFO"]), environ["REQUEST_METHOD"]
        is_control = path.startswith("/moto-api/")
        if not is_control and environ.get("HTTP_USER_AGENT") != _OWNER:
            self.requests.append(Asked(method, environ["HTTP_HOST"], path))
            if "HTTP_AUTHORIZATION" not in environ:  # moto trips over such requests
                start("403 Forbidden", [("Content-Type", "application/xml")])
                return [] if method == "HEAD" else [_REFUSED]
        return self._moto(environ, start)


class S3Place:
    """A prefix in a bucket that holds a release, seen by its owner."""

    def __init__(self, s3: S3, bucket: str, prefix: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix
        self.url = f"s3://{bucket}/{prefix}"

    def put(self, path: str, content: bytes) -> None:
        """Write a file, new or in the place of an old one."""
        _backend().put_object(self._bucket, f"{self._prefix}/{path}", content)

    def remove(self, path: str) -> None:
        """Remove a file."""
        _backend().delete_object(self._bucket, f"{self._prefix}/{path}")

    def let_pass(self, path: str, seconds: float) -> None:
        """Let a file have been written so much earlier."""
        key = _backend().buckets[self._bucket].keys[f"{self._prefix}/{path}"]
        key.last_modified -= timedelta(seconds=seconds)

    def reads(self) -> Iterator[str]:
        """Paths whose bytes were asked for, in order; by their whole key."""
        return (asked.path for asked in list(self._s3.requests) if asked.method == "GET")


def _backend() -> Any:
    """What moto's server holds, in this process."""
    return s3_backends[ACCOUNT][get_partition(REGION)]
