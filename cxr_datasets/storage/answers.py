"""Answers of web servers that are read within a limit: a server may send without an end."""

from __future__ import annotations

import re
from typing import Any

import aiohttp

from cxr_datasets import limits
from cxr_datasets.limits import check_limit
from cxr_datasets.storage.requests import answer_limit

LONGEST_TAG = 4_096
"""Characters of one tag of a page that are looked at; longer ones are no links."""

_BLANKS = re.compile(r"\s{2,}")
_NO_TAG = re.compile(rf"<(?![^<>]{{0,{LONGEST_TAG}}}>)")


class LimitedAnswer(aiohttp.ClientResponse):
    """An answer whose body is read as long as it is within the limit of the task."""

    async def read(self) -> bytes:
        """Read the whole body.

        Raises:
            TooLargeError: It says that it is beyond the limit, or goes on beyond it.
        """
        if self._body is None:
            limit = answer_limit.get() or limits.LARGEST_ANSWER
            parts, size = [], 0
            try:
                check_limit(self.content_length or 0, limit)
                async for part in self.content.iter_any():
                    parts.append(part)
                    size += len(part)
                    check_limit(size, limit)
            except BaseException:
                self.close()
                raise
            self._body = b"".join(parts)
        return self._body

    async def text(self, *args: Any, **kwargs: Any) -> str:
        """Read the body as a text, in which patterns that look for links take no long time.

        fsspec looks for `<a`, blanks and words up to `href`. In a long text without a `>` that
        would take hours.
        """
        return _NO_TAG.sub(" ", _BLANKS.sub(" ", await super().text(*args, **kwargs)))
