"""A page in place of a file is told from a file by its bytes."""

from __future__ import annotations

import gzip
import json

import pytest

from cxr_datasets.storage.pages import PageError, page_kind, refuse_page

PAGES = {
    b"<!DOCTYPE html><title>Log in</title>": "HTML",
    b"\n\n  <!doctype HTML PUBLIC '-//W3C//DTD HTML 4.01//EN'>": "HTML",
    b"\xef\xbb\xbf<html lang='en'>": "HTML",
    b"<!-- proxy --><html>": "HTML",
    b"<HEAD><TITLE>302 Found</TITLE></HEAD>": "HTML",
    b"<?xml version='1.0'?><!DOCTYPE html PUBLIC 'x'><html>": "HTML",
    b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>": "XML",
    b'{"message": "You must be logged in"}': "JSON",
    b'\xef\xbb\xbf{"a": [1]}\n': "JSON",
    b"[]": "JSON",
}

FILES = [
    b"",
    b"\xff\xd8\xff\xe0",
    b"\x89PNG\r\n\x1a\n",
    b"PK\x03\x04",
    gzip.compress(b"<html>", mtime=0),
    b"subject_id,study_id\n1,2\n",
    b" FINAL REPORT\n EXAMINATION: CHEST (PA AND LAT)\n",
    b"\n\n <unk> is not read as a page",
    b"[** De-identified **] AP chest compared to ___",
    b'{"cut": ',
    b"<",
]


@pytest.mark.parametrize(("content", "kind"), PAGES.items(), ids=repr)
def test_pages_are_known(content: bytes, kind: str) -> None:
    assert page_kind(content) == kind
    with pytest.raises(PageError, match=kind):
        refuse_page(content, "files/p10/image.jpg")


@pytest.mark.parametrize("content", FILES, ids=repr)
def test_files_of_a_release_are_no_pages(content: bytes) -> None:
    assert page_kind(content) is None
    refuse_page(content, "files/p10/image.jpg")


def test_a_long_list_is_data() -> None:
    assert page_kind(json.dumps(list(range(100_000))).encode()) is None


@pytest.mark.parametrize("name", ["index.html", "a.HTM", "features.json", "CXR1.xml"])
def test_what_is_asked_for_as_a_page_may_be_one(name: str) -> None:
    for content in PAGES:
        refuse_page(content, name)
