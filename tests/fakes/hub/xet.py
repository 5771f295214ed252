"""Xet uploads to the loopback Hub: the folder that the client's own Xet code puts files in.

`hf_xet` takes `local://<folder>` for the address of its storage and then keeps there itself what it
would send: files cut into chunks, chunks packed into *xorbs*, and *shards* that say which chunks
make up which file. This reads both, as the public description of the Xet protocol has them
(https://huggingface.co/docs/xet: shard format, xorb format).
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from pathlib import Path

from tests.fakes.hub.connection import Reply

ENVIRONMENT = {
    "HF_HUB_DISABLE_XET": "0",
    # So that chunks can be read without LZ4. The name was the second one up to hf_xet 1.4.
    "HF_XET_DATA_XORB_COMPRESSION_POLICY": "none",
    "HF_XET_XORB_COMPRESSION_POLICY": "none",
}
"""What a client's environment holds to upload through Xet in a form that `XetFolder` reads."""

_RECORD = 48
"""Bytes of each record of a shard; the first one is its header."""

_END = b"\xff" * 32
"""The hash in the record after the last file of a shard."""

_HAS_VERIFICATION, _HAS_SHA256 = 1 << 31, 1 << 30


class XetFolder:
    """A folder in the place of Xet's storage."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def credentials(self) -> Reply:
        """What a client is told that asks for access: where to put files. The token is not used."""
        address, token, expires = f"local://{self._folder}", "none", int(time.time()) + 3600
        headers = {
            "X-Xet-Cas-Url": address,
            "X-Xet-Access-Token": token,
            "X-Xet-Token-Expiration": str(expires),
        }
        body = {"casUrl": address, "accessToken": token, "exp": expires}
        return Reply.json(body, headers=headers)

    def find(self, sha256: str) -> bytes | None:
        """The content of a file that was put here as a whole, by its sha256."""
        for shard in self._folder.glob("xet/xorbs/shards/*.mdb"):
            for known, segments in _files(shard.read_bytes()):
                if known == sha256:
                    return b"".join(self._segment(*segment) for segment in segments)
        return None

    def _segment(self, xorb: str, first: int, last: int) -> bytes:
        """Chunks of a xorb, from one to before another."""
        packed = (self._folder / "xet/xorbs/xorbs" / f"default.{xorb}").read_bytes()
        chunks = []
        for _ in range(last):
            size, compression = int.from_bytes(packed[1:4], "little"), packed[4]
            if compression:
                raise ValueError("a compressed xorb: hf_xet did not heed ENVIRONMENT")
            chunks.append(packed[8 : 8 + size])
            packed = packed[8 + size :]
        return b"".join(chunks[first:])


def _files(shard: bytes) -> Iterator[tuple[str, list[tuple[str, int, int]]]]:
    """The files of a shard: the sha256 of each, and its segments as `_segment` takes them."""
    at = _RECORD
    while shard[at : at + 32] != _END:
        flags, count = struct.unpack_from("<II", shard, at + 32)
        at += _RECORD
        segments = []
        for record in range(at, at + count * _RECORD, _RECORD):
            first, last = struct.unpack_from("<II", shard, record + 40)
            segments.append((_hex(shard[record : record + 32]), first, last))
        at += count * _RECORD * (2 if flags & _HAS_VERIFICATION else 1)
        if flags & _HAS_SHA256:
            yield _hex(shard[at : at + 32]), segments
            at += _RECORD


def _hex(digest: bytes) -> str:
    """Xet writes hashes as four numbers of eight bytes, the lowest byte first."""
    return b"".join(digest[i : i + 8][::-1] for i in range(0, 32, 8)).hex()
