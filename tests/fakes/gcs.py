"""Google Cloud Storage on loopback: an emulator, with logins, requester pays and a log added.

with Gcs() as cloud:
    place = cloud.place("releases", "indiana", folder)
    GCSFileSystem(endpoint_url=cloud.url, token=cloud.key)
"""

from __future__ import annotations

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from gcp_storage_emulator.server import RequestHandler
from gcp_storage_emulator.storage import Storage

from tests.fakes.loopback import Connection, Loopback

ACCESS_TOKEN = "ya29.invented-access-token"
"""What the reader's key is exchanged for; others are let into no bucket."""

logging.getLogger("gcp_storage_emulator").setLevel("CRITICAL")


class Asked(NamedTuple):
    """One request."""

    method: str
    path: str
    query: dict[str, list[str]]


class _Connection(Connection, RequestHandler):
    wbufsize = -1  # an answer goes out as one packet

    def __init__(self, request: Any, address: Any, server: Any) -> None:
        self._cloud: Gcs = server.owner
        super().__init__(self._cloud.storage, request, address, server)

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = Asked(self.command, unquote(parts.path), parse_qs(parts.query))
        self._cloud.requests.append(asked)
        refusal = self._cloud.refusal(asked, self.headers.get("Authorization"))
        if refusal:
            code, message = refusal
            self._say(code, {"error": {"code": code, "message": message}})
        else:
            super().do_GET()

    def do_POST(self) -> None:
        if self.path != "/token":
            super().do_POST()
            return
        self.body()
        token = {"access_token": ACCESS_TOKEN, "expires_in": 3600, "token_type": "Bearer"}
        self._say(200, token)

    def end_headers(self) -> None:
        parts = urlsplit(self.path)
        bucket, _, name = parts.path.partition("/b/")[2].partition("/o/")
        encoded = bucket in self._cloud.encoded and name.endswith(".gz")
        if encoded and parse_qs(parts.query).get("alt") == ["media"]:
            self.send_header("Content-Encoding", "gzip")
        super().end_headers()

    def _say(self, code: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Gcs(Loopback):
    """The service, for as long as a `with` lasts.

    Attributes:
        storage: What the emulator holds.
        key: Key of the service account that may read, as Google's JSON files hold it.
        requests: What was asked so far.
        payers: Buckets where the requester pays, and the project that may be charged.
        closed: Buckets that the user may not read.
        encoded: Buckets whose `.gz` files have the metadata `Content-Encoding: gzip`: a client
            unpacks what it gets.
    """

    connection = _Connection

    def __init__(self) -> None:
        super().__init__()
        self.bind()
        self.storage = _Storage(use_memory_fs=True)
        self.key = {
            "type": "service_account",
            "project_id": "invented",
            "private_key": _private_key(),
            "client_email": "reader@invented.example.org",
            "token_uri": f"{self.url}/token",
        }
        self.requests: list[Asked] = []
        self.payers: dict[str, str] = {}
        self.closed: set[str] = set()
        self.encoded: set[str] = set()

    def place(self, bucket: str, prefix: str, folder: Path | None = None) -> GcsPlace:
        """Make a bucket, unless it is there, and put a folder's files into it."""
        named = json.dumps({"name": bucket}).encode()
        self._ask("POST", "/storage/v1/b?project=invented", named, "application/json")
        place = GcsPlace(self, bucket, prefix)
        for file in folder.rglob("*") if folder else ():
            if file.is_file():
                place.put(file.relative_to(folder).as_posix(), file.read_bytes())
        return place

    def _ask(
        self, method: str, target: str, body: bytes = b"", kind: str = "application/octet-stream"
    ) -> None:
        headers = {"Content-Type": kind}
        request = urllib.request.Request(self.url + target, body, headers, method=method)
        try:
            urllib.request.urlopen(request).close()
        except urllib.error.HTTPError as error:
            if error.code != 409:  # the bucket is there
                raise

    def refusal(self, asked: Asked, authorization: str | None) -> tuple[int, str] | None:
        """Status and message for one who may not have what is asked for."""
        bucket = asked.path.partition("/b/")[2].partition("/")[0]
        if authorization != f"Bearer {ACCESS_TOKEN}":
            return 401, "Anonymous caller does not have storage.objects.get access to the object."
        if bucket in self.closed:
            return 403, "reader@example.org does not have storage.objects.get access."
        payer = self.payers.get(bucket)
        if payer is not None and asked.query.get("userProject") != [payer]:
            return 400, "Bucket is a requester pays bucket but no user project provided."
        return None


_PARTS = 'multipart/related; boundary="cut"'
_NO_BYTES = (
    b"--cut\r\nContent-Type: application/json\r\n\r\n{}\r\n"
    b"--cut\r\nContent-Type: application/octet-stream\r\n\r\n\r\n--cut--\r\n"
)


class GcsPlace:
    """A prefix in a bucket that holds a release, seen by its owner."""

    def __init__(self, cloud: Gcs, bucket: str, prefix: str) -> None:
        self._cloud = cloud
        self._bucket = bucket
        self._prefix = prefix
        self.url = f"gs://{bucket}/{prefix}"

    def put(self, path: str, content: bytes) -> None:
        """Write a file, new or in the place of an old one."""
        name = quote(f"{self._prefix}/{path}", safe="")
        target = f"/upload/storage/v1/b/{self._bucket}/o?name={name}&uploadType="
        if content:
            self._cloud._ask("POST", f"{target}media", content)
        else:  # the emulator takes an empty file as a part only
            self._cloud._ask("POST", f"{target}multipart", _NO_BYTES, _PARTS)

    def remove(self, path: str) -> None:
        """Remove a file."""
        name = quote(f"{self._prefix}/{path}", safe="")
        self._cloud._ask("DELETE", f"/storage/v1/b/{self._bucket}/o/{name}")

    def reads(self) -> Iterator[str]:
        """Paths whose bytes were asked for, in order; by their whole name."""
        for asked in list(self._cloud.requests):
            if asked.query.get("alt") == ["media"]:
                yield asked.path


@cache
def _private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


class _Storage(Storage):
    """Keeps nothing for another start: after each file it would note all files anew."""

    def _write_config_to_file(self) -> None:
        pass
