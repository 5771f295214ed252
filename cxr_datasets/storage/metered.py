"""A stream of bytes that is read as long as it is within a limit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cxr_datasets.limits import Limit, too_large


class Metered:
    """A stream, of which no more is read than a limit allows.

    Attributes:
        count: Bytes that were read so far.
    """

    closed = False  # pyarrow asks

    def __init__(self, stream: Any, limit: Limit):
        """Read nothing yet.

        Args:
            stream: Has `read`.
            limit: How many bytes it may have.
        """
        self._stream = stream
        self._limit = limit
        self.count = 0
        self._part: tuple[int, Limit] | None = None

    def read(self, size: int = -1) -> bytes:
        """Read some bytes.

        Raises:
            TooLargeError: With them they are more than the limit allows.
        """
        content = self._stream.read(size)
        self.count += len(content)
        if self.count > self._limit:
            raise too_large(self._limit)
        if self._part is not None and self.count - self._part[0] > self._part[1]:
            raise too_large(self._part[1])
        return content

    @contextmanager
    def at_most(self, limit: Limit) -> Iterator[None]:
        """Read no more than so many bytes from here on, within a limit that is set already."""
        outer = self._part
        if outer is None:
            self._part = (self.count, limit)
        try:
            yield
        finally:
            self._part = outer

    def close(self) -> None:
        """Nothing: whoever opened the stream closes it."""
