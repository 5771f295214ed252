"""Which storage options count as secrets: all whose names are not known to be harmless."""

from __future__ import annotations

from typing import Any

import pytest

from cxr_datasets.storage.secret_options import secret_names


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"anon": True, "endpoint_url": "https://store.example:9000", "requester_pays": True},
        {"profile": "lab", "client_kwargs": {"region_name": "eu-central-1", "verify": False}},
        {"config_kwargs": {"s3": {"addressing_style": "path"}, "retries": {"max_attempts": 9}}},
        {"token": None, "project": "lab"},
        {"token": "anon"},
        {"token": "google_default"},
        {"host": "store.example", "port": 2222, "timeout": 3.5},
        {"s3": {"anon": True}, "https": {"block_size": 0}},
    ],
)
def test_where_a_store_is_and_how_it_is_spoken_to_is_no_secret(options: dict[str, Any]) -> None:
    assert secret_names(options) == []


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"key": "AK", "secret": "S", "anon": False}, ["key", "secret"]),
        ({"token": "ya29.invented"}, ["token"]),
        ({"token": {"private_key": "invented"}}, ["token.private_key"]),
        ({"username": "me", "password": 123456}, ["username", "password"]),
        ({"client_kwargs": {"headers": {"X-Key": "k"}}}, ["client_kwargs.headers.X-Key"]),
        ({"client_kwargs": {"aws_session_token": "t"}}, ["client_kwargs.aws_session_token"]),
        ({"endpoint_url": "https://me:word@store.example"}, ["endpoint_url"]),
        ({"endpoint_url": "https://store.example/?sig=word"}, ["endpoint_url"]),
        ({"auth": object()}, ["auth"]),
        ({"cookies": ["a=b"]}, ["cookies"]),
        ({"s3": {"secret": "S"}, "hf": {"token": "hf_invented"}}, ["s3.secret", "hf.token"]),
        ({"a_name_of_tomorrow": "something"}, ["a_name_of_tomorrow"]),
    ],
)
def test_every_other_text_number_or_thing_is_one(options: dict[str, Any], names: list[str]) -> None:
    assert secret_names(options) == names
