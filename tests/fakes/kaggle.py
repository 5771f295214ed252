"""A loopback of Kaggle's download API, for `kagglehub` as it is.

The client knows a few hosts only. So it is told to ask for `http://localhost`, and to ask by a
proxy, which this server is. It answers as Kaggle does: a request for a file, or for all of them as
one archive, is redirected to a store, whose addresses are signed, and which knows ranges.

    with Kaggle(release) as server:
        server.answer("indiana_reports.csv", 503)
        ...  # with `server.environment` in the environment
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.fakes import loopback
from tests.fakes.loopback import Loopback, byte_range

DATASET = ("raddar", "chest-xrays-indiana-university", 2)
_API = "/api/v1/datasets.DatasetApiService/DownloadDataset"
_ALL = ""


class Kaggle(Loopback):
    """Kaggle on 127.0.0.1, in threads of this process.

    Attributes:
        release: The folder that it gives, file by file and as an archive.
        asked: What was asked for, in order: paths, `""` for the archive.
        tokens: The headers `Authorization` that came.
        ranges: The ranges that the store was asked for.
    """

    def __init__(self, release: Path) -> None:
        super().__init__()
        self.release = release
        self.asked: list[str] = []
        self.tokens: list[str] = []
        self.ranges: list[str] = []
        self._statuses: dict[str, list[int]] = {}
        self._cuts: dict[str, list[int]] = {}
        self._flips: set[str] = set()

    @property
    def environment(self) -> dict[str, str]:
        """What leads the client here."""
        return {"KAGGLE_API_ENVIRONMENT": "LOCALHOST", "HTTP_PROXY": self.url,
                "http_proxy": self.url, "NO_PROXY": "", "no_proxy": ""}  # fmt: skip

    def answer(self, path: str, *statuses: int) -> None:
        """Answer the next requests for a file with these statuses."""
        self._statuses[path] = list(statuses)

    def cut(self, path: str, *lengths: int) -> None:
        """Break off the next answers of the store for a file after so many bytes."""
        self._cuts[path] = list(lengths)

    def flip(self, path: str) -> None:
        """Give a file with a byte that is another one, and the MD5 that belongs to it."""
        self._flips.add(path)

    def next_of(self, faults: str, path: str) -> int | None:
        """The next status, or length, that a file shall meet."""
        left = getattr(self, faults).get(path)
        return left.pop(0) if left else None

    def content(self, path: str) -> bytes | None:
        """The bytes of a file, or of the archive; None if there is no such file."""
        if path == _ALL:
            return self._archive()
        place = self.release / path
        if not place.is_file():
            return None
        content = place.read_bytes()
        return content[:-1] + bytes([content[-1] ^ 1]) if path in self._flips else content

    def _archive(self) -> bytes:
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w") as archive:
            for place in sorted(self.release.rglob("*")):
                if place.is_file():
                    name = place.relative_to(self.release).as_posix()
                    archive.writestr(zipfile.ZipInfo(name), self.content(name) or b"")
        return held.getvalue()


class Connection(loopback.Connection):
    """One connection to it."""

    @property
    def kaggle(self) -> Kaggle:
        owner = self.server.owner
        assert isinstance(owner, Kaggle)
        return owner

    def do_POST(self) -> None:
        """Redirect to the store."""
        host, target = self.target()
        asked = json.loads(self.body() or b"{}")
        path = asked.get("fileName", _ALL)
        self.kaggle.asked.append(path)
        self.kaggle.tokens += [self.headers["Authorization"]] * ("Authorization" in self.headers)
        named = (
            asked.get("ownerSlug"),
            asked.get("datasetSlug"),
            asked.get("datasetVersionNumber"),
        )
        status = self.kaggle.next_of("_statuses", path)
        if status:
            self._reply(status, b'{"message": "no"}', {"Content-Type": "text/plain"})
        elif target != _API or named != DATASET or self.kaggle.content(path) is None:
            self._reply(404, b"", {})
        else:
            place = (
                f"http://{host}/store/{quote(path or 'archive.zip')}?signature=invented&p={path}"
            )
            self._reply(302, b"", {"Location": place})

    def do_GET(self) -> None:
        """Give a file of the store, or a range of it."""
        parts = urlsplit(self.target()[1])
        path = parse_qs(parts.query).get("p", [_ALL])[0]
        assert unquote(parts.path).startswith("/store/")
        content = self.kaggle.content(path)
        assert content is not None
        wanted = byte_range(self.headers.get("Range", ""), len(content))
        self.kaggle.ranges += [self.headers["Range"]] * bool(wanted)
        md5 = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
        some = content[wanted.start : wanted.stop] if wanted else content
        headers = {"Accept-Ranges": "bytes", "x-goog-hash": f"crc32c=AAAAAA==,md5={md5}",
                   "Content-Type": "application/octet-stream"}  # fmt: skip
        self._reply(206 if wanted else 200, some, headers, self.kaggle.next_of("_cuts", path))

    def _reply(
        self, status: int, content: bytes, headers: dict[str, str], cut: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:cut])
        if cut is not None:
            self.wfile.flush()
            self.hang_up(reset=False)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


Kaggle.connection = Connection
