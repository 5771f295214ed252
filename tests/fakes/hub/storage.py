"""The storage of the loopback Hub: LFS files, put and got at signed addresses as those of S3."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.hub_server import Incoming, Refusal, Reply
from tests.fakes.hub_store import Contents, Repo
from tests.fakes.hub_xet import XetFolder


@dataclass
class _Upload:
    """A file that comes in parts: the parts that came so far, by number."""

    sha256: str
    parts: dict[int, bytes] = field(default_factory=dict)


class Storage:
    """Takes LFS files in and hands them out.

    Its addresses lie on another host than the Hub's (`localhost`), as the real ones do: a client
    must not send its token there, and one that does is refused, as S3 refuses it.

    Args:
        url: Address of the Hub.
        url_elsewhere: The same server under the other name.
        contents: Where files are kept.
        part_size: Files larger than this come in parts of this size, in bytes; None: none does.
        xet: Where clients put files that use Xet; None: none may.
    """

    def __init__(
        self,
        url: str,
        url_elsewhere: str,
        contents: Contents,
        part_size: int | None = None,
        xet: XetFolder | None = None,
    ) -> None:
        self.contents = contents
        self.xet = xet
        self._url = url
        self._url_elsewhere = url_elsewhere
        self._part_size = part_size
        self._secret = secrets.token_bytes(16)
        self._uploads: dict[str, _Upload] = {}
        self._awaited: dict[str, list[Repo]] = {}

    def holds(self, repo: Repo, sha256: str) -> bool:
        """Whether a file came for this repository, so that a commit may name it."""
        if sha256 not in repo.objects and self.xet is not None:
            content = self.xet.find(sha256)
            if content is not None:
                repo.objects.add(self.contents.add(content))
        return sha256 in repo.objects

    def address(self, sha256: str) -> str:
        """A signed address that a file can be read at."""
        return self._signed(self._url_elsewhere, "objects", sha256)

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
        self._awaited.setdefault(oid, []).append(repo)
        verify = {"href": f"{self._url}/datasets/{repo.id}.git/info/lfs/objects/verify"}
        if self._part_size is None or size <= self._part_size:
            upload: dict[str, Any] = {"href": self._signed(self._url_elsewhere, "objects", oid)}
        else:
            upload_id = secrets.token_hex(8)
            self._uploads[upload_id] = _Upload(oid)
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

    def verify(self, wanted: dict[str, Any]) -> Reply:
        """Say whether a file has arrived as a whole."""
        oid = wanted["oid"]
        if oid not in self.contents or self.contents.size(oid) != wanted["size"]:
            raise Refusal(404, f"The LFS file {oid} has not arrived")
        return Reply.json({"message": "Uploaded"})

    def answer(self, incoming: Incoming) -> Reply:
        """The answer to a request to one of the signed addresses.

        Raises:
            Refusal: The signature is not ours (403), a token came with it (400), or there is no
                such upload (404).
        """
        signature = incoming.query.get("signature", [""])[0]
        if not hmac.compare_digest(signature, self._sign(incoming.path)):
            raise Refusal(403, "SignatureDoesNotMatch")
        if "authorization" in incoming.headers:
            raise Refusal(400, "Only one auth mechanism allowed")
        match incoming.method, incoming.parts[1:]:
            case (("GET" | "HEAD"), ("objects", sha256)):
                return self.content(sha256, incoming, {"ETag": f'"{sha256}"'})
            case "PUT", ("objects", sha256):
                return self._take(incoming.body, sha256)
            case "PUT", ("parts", upload_id, number):
                self._upload(upload_id).parts[int(number)] = incoming.body
                return Reply(headers={"ETag": f'"{_md5(incoming.body)}"'})
            case "POST", ("complete", upload_id):
                return self._complete(self._upload(upload_id), incoming.json())
        raise Refusal(404, f"There is nothing at {incoming.path}")

    def content(self, sha256: str, incoming: Incoming, headers: dict[str, str]) -> Reply:
        """A file, or the range of it that is asked for."""
        content = self.contents.get(sha256)
        headers = {"Accept-Ranges": "bytes", **headers}
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", incoming.headers.get("range") or "")
        if wanted is None:
            return Reply(200, content, headers)
        size = len(content)
        if wanted[1]:
            start, end = int(wanted[1]), int(wanted[2]) + 1 if wanted[2] else size
        else:  # the last so many bytes
            start, end = max(size - int(wanted[2]), 0), size
        if start >= size:
            return Reply(416, b"", {**headers, "Content-Range": f"bytes */{size}"})
        end = min(end, size)
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        return Reply(206, content[start:end], headers)

    def _complete(self, upload: _Upload, said: dict[str, Any]) -> Reply:
        sent = {part["partNumber"]: part["etag"].strip('"') for part in said["parts"]}
        if sent != {number: _md5(part) for number, part in upload.parts.items()}:
            raise Refusal(400, "InvalidPart")
        return self._take(b"".join(part for _, part in sorted(upload.parts.items())), upload.sha256)

    def _take(self, content: bytes, sha256: str) -> Reply:
        if hashlib.sha256(content).hexdigest() != sha256:
            raise Refusal(400, "BadDigest")
        self.contents.add(content)
        for repo in self._awaited.pop(sha256, []):
            repo.objects.add(sha256)
        return Reply()

    def _upload(self, upload_id: str) -> _Upload:
        if upload_id not in self._uploads:
            raise Refusal(404, "NoSuchUpload")
        return self._uploads[upload_id]

    def _signed(self, url: str, *parts: str) -> str:
        path = "/_storage/" + "/".join(parts)
        return f"{url}{path}?signature={self._sign(path)}"

    def _sign(self, path: str) -> str:
        return hmac.new(self._secret, path.encode(), "sha256").hexdigest()


def _md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()
