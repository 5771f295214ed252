"""The bytes of objects in S3, asked for by requests with little work around them.

s3fs asks by botocore, which takes 2 ms of the processor to make a request and to take its answer
apart: more than to receive the bytes of an image, and all in the one thread that requests share.
Here botocore's client signs a request, and sends it by its own connections, proxies and
certificates. Of the answer, only the status and the bytes are looked at.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

from botocore.awsrequest import AWSRequest

from cxr_datasets import wording

_ANY_KEY = "any-key"

_HAVE_BYTES = (200, 206)
_NOT_THERE = 404
_PASSING = (416, 429)
"""Answers that say nothing of how to ask, as those from 500 on: of a part beyond a file's end, and
of a store that is busy."""

_OTHER_INSIDES = (AttributeError, TypeError)

_logger = wording.get_logger(__name__)


class BucketReads:
    """Reads of objects by a file system of s3fs.

    What comes in another way than expected is left to s3fs, which knows what to do, or says what is
    wrong: buckets in other regions, refusals, a busy store, options that go with each request.
    """

    def __init__(self, files: Any):
        """Ask nothing yet.

        Args:
            files: The file system, an `s3fs.S3FileSystem`.
        """
        self._files = files
        self._left: set[str] = set()  # buckets that are left to s3fs
        self._opened: dict[str, tuple[Any, str]] = {}
        self._opening = asyncio.Lock()

    async def read(self, place: str, start: int, end: int) -> bytes | None:
        """Read some bytes of an object.

        Args:
            place: The object, as s3fs calls it.
            start: First byte.
            end: The byte after the last one.

        Returns:
            The bytes; None if s3fs has to be asked for them.

        Raises:
            FileNotFoundError: There is no such object.
        """
        bucket, key, version = self._files.split_path(place)
        if version or bucket in self._left or self._sends_more():
            return None
        try:
            answer = await self._answer(bucket, key, f"bytes={start}-{end - 1}")
            content: bytes = await answer.content
        except Exception as error:  # s3fs asks anew, and finds what is wrong
            self._opened.pop(bucket, None)
            self._leave(bucket, type(error).__name__, isinstance(error, _OTHER_INSIDES))
            return None
        if answer.status_code in _HAVE_BYTES:
            return content
        if answer.status_code == _NOT_THERE:
            raise FileNotFoundError(place)
        for_good = answer.status_code < 500 and answer.status_code not in _PASSING
        self._leave(bucket, f"status {answer.status_code}", for_good)
        return None

    def _sends_more(self) -> bool:
        """Whether options go with each request, such as who pays for it or a key to decrypt."""
        return bool(self._files.req_kw or self._files.s3_additional_kwargs)

    def _leave(self, bucket: str, why: str, for_good: bool) -> None:
        _logger.debug("A request to S3 is left to s3fs: %s", why)
        if for_good:
            self._left.add(bucket)

    async def _answer(self, bucket: str, key: str, part: str) -> Any:
        client, start = await self._client(bucket)
        headers = {"Range": part, "User-Agent": client.meta.config.user_agent}
        url = start + quote(key, safe="/~")
        request = AWSRequest("GET", url, headers, stream_output=True)
        await client._request_signer.sign("GetObject", request)
        return await client._endpoint.http_session.send(request.prepare())

    async def _client(self, bucket: str) -> tuple[Any, str]:
        """The client of a bucket, and what the address of each of its objects begins with.

        It is opened once. Of itself, s3fs opens another for each who asks, until one was answered.
        """
        async with self._opening:
            if bucket not in self._opened:
                await self._files.set_session()
                client = await self._files.get_s3(bucket)
                self._opened[bucket] = client, await _start(client, bucket)
            return self._opened[bucket]


async def _start(client: Any, bucket: str) -> str:
    """What the address of each object begins with, as botocore writes one of them."""
    asked = {"Bucket": bucket, "Key": _ANY_KEY}
    signed: str = await client.generate_presigned_url("get_object", Params=asked)
    return signed.partition("?")[0].removesuffix(_ANY_KEY)
