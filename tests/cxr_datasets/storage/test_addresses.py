"""Addresses: joined without leaving their store, and printed without what is secret."""

from __future__ import annotations

import pytest

from cxr_datasets.errors import OptionError
from cxr_datasets.storage.addresses import (
    check_open,
    inside,
    is_archive,
    is_chain,
    joined,
    last_part,
    links,
    normalised,
    shown,
    shown_in,
)


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
        ("http://[::1]", "a", "http://[::1]/a"),
        ("http://[fe80::1:2]:8080/a/b", "../../..", "http://[fe80::1:2]:8080"),
        ("zip://inner::http://[::1]:80/a.zip", "..", "zip://::http://[::1]:80/a.zip"),
    ],
)
def test_a_path_is_joined_and_stays_in_its_store(root: str, path: str, address: str) -> None:
    assert normalised(root) == root
    assert joined(root, path) == address


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("/data", ["/data"]),
        ("http://[::1]:8080/a", ["http://[::1]:8080/a"]),
        ("http://[2001:db8::1]/a", ["http://[2001:db8::1]/a"]),
        ("zip://a::https://host/b.zip", ["zip://a", "https://host/b.zip"]),
        ("zip://::http://[::1]/b.zip", ["zip://", "http://[::1]/b.zip"]),
        ("zip://a[1]::/data/b.zip", ["zip://a[1]", "/data/b.zip"]),
        ("zip://a::/data/b[1].zip", ["zip://a", "/data/b[1].zip"]),
    ],
)
def test_colons_of_a_host_that_is_a_number_are_no_chain(address: str, parts: list[str]) -> None:
    assert links(address) == parts
    assert is_chain(address) == (len(parts) > 1)


def test_an_archive_on_a_host_that_is_a_number_is_one() -> None:
    assert is_archive("http://[::1]/a.zip")
    assert inside("http://[::1]/a.zip") == "zip://::http://[::1]/a.zip"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://[::1", "is no address"),
        ("http://[", "is no address"),
        ("https://host:99999/data", "is no address"),
        ("https://host:port/data", "is no address"),
        ("a\0b", "holds a character of value 0"),
        ("/data/\udce4", "holds bytes that are not UTF-8"),
        (b"/data", "is no path and no address"),
        (7, "is no path and no address"),
    ],
)
def test_what_can_be_no_address_is_refused(address: object, said: str) -> None:
    with pytest.raises(OptionError, match=rf"data_dir=.* {said}"):
        check_open("data_dir", address)  # type: ignore[arg-type]


def test_the_home_of_an_unknown_user_is_named() -> None:
    with pytest.raises(OptionError, match="~nobody-of-this-name/data begins with the home of"):
        normalised("~nobody-of-this-name/data")
