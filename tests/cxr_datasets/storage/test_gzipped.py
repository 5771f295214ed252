"""A gzipped file is unpacked whole, or it is an error: nothing of it is lost in silence."""

from __future__ import annotations

import gzip

import pytest

from cxr_datasets.limits import Limit, TooLargeError
from cxr_datasets.storage.gzipped import unpacked

TEXT = b"study_id,split\n50000001,train\n" * 100
LIMIT = Limit(len(TEXT), "bytes of one list")
PACKED = gzip.compress(TEXT)


def test_a_file_is_unpacked_if_it_is_gzipped() -> None:
    assert unpacked(PACKED, LIMIT) == TEXT
    assert unpacked(TEXT, LIMIT) == TEXT
    assert unpacked(b"", LIMIT) == b""


@pytest.mark.parametrize("between", [b"", b"\0" * 100], ids=["at once", "after zeros"])
def test_streams_that_follow_one_another_are_one_file(between: bytes) -> None:
    parts = [gzip.compress(TEXT[:50]), gzip.compress(b""), gzip.compress(TEXT[50:])]
    assert unpacked(between.join(parts) + between, LIMIT) == TEXT


def test_a_file_cut_anywhere_is_an_error() -> None:
    for length in range(2, len(PACKED)):
        with pytest.raises(EOFError):
            unpacked(PACKED[:length], LIMIT)


def test_what_follows_that_is_not_gzipped_is_an_error() -> None:
    with pytest.raises(EOFError):
        unpacked(PACKED + b"more", LIMIT)


def test_no_more_is_unpacked_than_the_limit_allows() -> None:
    with pytest.raises(TooLargeError):
        unpacked(gzip.compress(TEXT + b"\n"), LIMIT)
