"""The storage of the loopback Hub: LFS files, put and got at signed addresses as those of S3."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.hub.connection import Incoming, Refusal, Reply
from tests.fakes.hub.repository import Blob, Repo
from tests.fakes.hub.xet import XetFolder
from tests.fakes.loopback import byte_range


@dataclass
class _Upload:
    """A file that is on its way: whose it is, its sha256, and the parts that came so far."""

    repo: Repo
    sha256: str
    parts: dict[int, bytes] = field(default_factory=dict)


class Storage:
    """Takes LFS files in and hands them out.

    Its addresses lie on another host than the Hub's (`localhost`), as the real ones do: a client
    must not send its token there, and one that does is refused, as S3 refuses it.

    Args:
        url: Address of the Hub.
        url_elsewhere: The same server under the other name.
        part_size: Files larger than this come in parts of this size, in bytes; None: none does.
        xet: Where clients put files that use Xet; None: none may.
    """

    def __init__(
        self, url: str, url_elsewhere: str, part_size: int | None, xet: XetFolder | None
    ) -> None:
        self.xet = xet
        self._url = url
        self._url_elsewhere = url_elsewhere
        self._part_size = part_size
        self._secret = secrets.token_bytes(16)
        self._uploads: dict[str, _Upload] = {}
        self._handed_out: dict[str, Blob] = {}

    def holds(self, repo: Repo, sha256: str) -> bool:
        """Whether a file came for this repository, so that a commit may name it."""
        if sha256 not in repo.objects and self.xet is not None:
            content = self.xet.find(sha256)
            if content is not None:
                repo.objects[sha256] = Blob(content, True)
        return sha256 in repo.objects

    def address(self, blob: Blob) -> str:
        """A signed address that a file can be read at."""
        self._handed_out[blob.sha256] = blob
        return self._signed(self._url_elsewhere, "objects", blob.sha256)

    def batch(self, repo: Repo, wanted: dict[str, Any]) -> Reply:
        """Say for each file where to put it; of one that came before, say nothing."""
        objects = [
            {"oid": item["oid"], "size": item["size"]}
            if self.holds(repo, item["oid"])
            else self._instructions(repo, item["oid"], item["size"])
            for item in wanted["objects"]
        ]
        return Reply.json({"transfer": "basic", "objects": objects})

    def _instructions(self, repo: Repo, oid: str, size: int) -> dict[str, Any]:
        upload_id = secrets.token_hex(8)
        self._uploads[upload_id] = _Upload(repo, oid)
        verify = {"href": f"{self._url}/datasets/{repo.id}.git/info/lfs/objects/verify"}
        if self._part_size is None or size <= self._part_size:
            upload: dict[str, Any] = {
                "href": self._signed(self._url_elsewhere, "objects", upload_id)
            }
        else:
            count = -(-size // self._part_size)
            header = {
                f"{number:05d}": self._signed(self._url_elsewhere, "parts", upload_id, str(number))
                for number in range(1, count + 1)
            }
            upload = {
                "href": self._signed(self._url, "complete", upload_id),
                "header": {"chunk_size": str(self._part_size), **header},
            }
        return {"oid": oid, "size": size, "actions": {"upload": upload, "verify": verify}}

    def verify(self, repo: Repo, wanted: dict[str, Any]) -> Reply:
        """Say whether a file has arrived as a whole."""
        came = repo.objects.get(wanted["oid"])
        if came is None or len(came.content) != wanted["size"]:
            raise Refusal(404, f"The LFS file {wanted['oid']} has not arrived")
        return Reply.json({"message": "Uploaded"})

    def answer(self, incoming: Incoming) -> Reply:
        """The answer to a request to one of the signed addresses.

        Raises:
            Refusal: The signature is not ours (403), a token came with it (400), or what came is
                not what was announced (400).
        """
        signature = incoming.query.get("signature", [""])[0]
        if not hmac.compare_digest(signature, self._sign(incoming.path)):
            raise Refusal(403, "SignatureDoesNotMatch")
        if "authorization" in incoming.headers:
            raise Refusal(400, "Only one auth mechanism allowed")
        _, what, name, *number = incoming.parts
        if incoming.method in ("GET", "HEAD"):
            return content_reply(self._handed_out[name], incoming, {"ETag": f'"{name}"'})
        upload = self._uploads[name]
        if what == "parts":
            upload.parts[int(number[0])] = incoming.body
            return Reply(headers={"ETag": f'"{_md5(incoming.body)}"'})
        if what == "complete":
            sent = {part["partNumber"]: part["etag"] for part in incoming.json()["parts"]}
            if sent != {number: f'"{_md5(part)}"' for number, part in upload.parts.items()}:
                raise Refusal(400, "InvalidPart")
            return self._take(upload, b"".join(part for _, part in sorted(upload.parts.items())))
        return self._take(upload, incoming.body)

    def _take(self, upload: _Upload, content: bytes) -> Reply:
        blob = Blob(content, True)
        if blob.sha256 != upload.sha256:
            raise Refusal(400, "BadDigest")
        upload.repo.objects[blob.sha256] = blob
        return Reply()

    def _signed(self, url: str, *parts: str) -> str:
        path = "/_storage/" + "/".join(parts)
        return f"{url}{path}?signature={self._sign(path)}"

    def _sign(self, path: str) -> str:
        return hmac.new(self._secret, path.encode(), "sha256").hexdigest()


def content_reply(blob: Blob, incoming: Incoming, headers: dict[str, str]) -> Reply:
    """A file, or the range of it that is asked for."""
    size = len(blob.content)
    headers = {"Accept-Ranges": "bytes", **headers}
    wanted = byte_range(incoming.headers.get("Range", ""), size)
    if wanted is None:
        return Reply(200, blob.content, headers)
    if not wanted:
        return Reply(416, b"", {**headers, "Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{size}"
    return Reply(206, blob.content[wanted.start : wanted.stop], headers)


def _md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()
