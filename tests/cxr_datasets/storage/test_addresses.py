"""Addresses: joined without leaving their store, and printed without what is secret."""

from __future__ import annotations

import pytest

from cxr_datasets.storage.addresses import joined, last_part, normalised, shown, shown_in


@pytest.mark.parametrize(
    ("address", "printed"),
    [
        ("/data/what?/a@b.csv", "/data/what?/a@b.csv"),
        ("https://host.example/a.csv", "https://host.example/a.csv"),
        ("https://name:word@host.example/a.csv", "https://host.example/a.csv"),
        ("https://name:w@rd@host.example/a.csv", "https://host.example/a.csv"),
        ("https://host.example/a.csv?sig=secret word", "https://host.example/a.csv?..."),
        ("sftp://reader@host.example:22/a", "sftp://host.example:22/a"),
        ("hf://datasets/lab/films@main/a", "hf://datasets/lab/films@main/a"),
        ("zip://a b::https://n:w@host.example/x?s=1", "zip://a b::https://host.example/x?..."),
    ],
)
def test_an_address_is_printed_without_user_password_and_signature(
    address: str, printed: str
) -> None:
    assert shown(address) == printed


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ('PUT "https://h.example/a?sig=secret" 200', 'PUT "https://h.example/a?..." 200'),
        ('"PUT /a?sig=secret HTTP/1.1" 200', '"PUT /a?... HTTP/1.1" 200'),
        ("asked https://n:w@h.example/a twice. Why?", "asked https://h.example/a twice. Why?"),
        ("{'url': 'https://h.example/?a=b'}", "{'url': 'https://h.example/?...'}"),
    ],
)
def test_a_line_of_a_log_is_printed_without_them_too(line: str, printed: str) -> None:
    assert shown_in(line) == printed


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/home/name/reports.zip", "reports.zip"),
        ("https://host.example/name/reports/?sig=secret", "reports"),
        (r"C:\name\reports.zip", "reports.zip"),
        ("reports.zip", "reports.zip"),
    ],
)
def test_the_last_part_of_an_address_tells_nothing_of_where_it_is(address: str, name: str) -> None:
    assert last_part(address) == name


@pytest.mark.parametrize(
    ("root", "path", "address"),
    [
        ("/", "a", "/a"),
        ("/data", "../../..", "/"),
        ("memory://archive.zip", "..", "memory://"),
        ("zip://::/data/a.zip", "inner/a", "zip://inner/a::/data/a.zip"),
        ("zip://inner::/data/a.zip", "../..", "zip://::/data/a.zip"),
        ("s3://bucket/a/b", "../../..", "s3://bucket"),
    ],
)
def test_a_path_is_joined_and_stays_in_its_store(root: str, path: str, address: str) -> None:
    assert normalised(root) == root
    assert joined(root, path) == address
