"""Whatever form an address with a secret has, it is refused, and printed without the secret."""

from __future__ import annotations

import random

import pytest

from cxr_datasets.redaction import holds_secret, shown, shown_in
from cxr_datasets.storage.addresses import check_open, normalised
from tests.secret_addresses import FORMS, WORD


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_of_every_form_is_found_and_not_shown(form: str) -> None:
    address = form.format(word=WORD)
    assert holds_secret(address)
    for text in (address, f"data_dir={address} is bad", f"({address!r})", f"GET {address} 200"):
        assert WORD not in shown_in(text), text
    assert WORD not in shown(address)
    assert shown(shown(address)) == shown(address)


_MARKS = "@/:?#&=;%.,+~![]()$*'\\"


def _password(dice: random.Random) -> str:
    """A word among marks, as generators of passwords give them."""
    before = "".join(dice.choices(f"{_MARKS}ab1", k=dice.randrange(4)))
    return before + WORD + "".join(dice.choices(f"{_MARKS}ab1", k=dice.randrange(4)))


@pytest.mark.parametrize("seed", range(4))
def test_a_password_of_any_characters_is_found_and_not_shown(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(1_000):
        scheme = dice.choice(["https", "http", "HTTPS", "sftp", "s3", "ftp"])
        user = dice.choice(["", "u", "user.name", "me@lab.example", "AKIA123", "x-token"])
        chain = dice.choice(["", "", "zip://in::", "filecache::", "zip://::"])
        host = dice.choice(["h.example", "localhost:8443", "[::1]:80", "h", "10.0.0.1"])
        address = f"{chain}{scheme}://{user}:{_password(dice)}@{host}/a/b.zip"
        assert holds_secret(address), address
        assert WORD not in shown(address), address


@pytest.mark.parametrize(
    "address",
    [
        "/data/what?/a@b.csv", "/data/a:b/c@d", "C:\\films\\a@b", "data@v2/x", "git@host:path",
        "//server/share/a", "~/films", "https://host.example/a@b.csv", "http://127.0.0.1:80/a",
        "http://[::1]:8080/a", "s3://bucket/a@b", "s3://bucket/a?versionId=A.b-1",
        "s3://arn:aws:s3:us-east-1:123:accesspoint/name/f", "hf://datasets/lab/films@main/a",
        "gs://bucket/a#123", "sftp://reader@host.example:22/a", "abfs://c@acc.windows.net/x",
        "zip://in::/data/a.zip", "zip://::https://host.example/a.zip", "memory://x",
        "https://host.example/a%40b%3Fc%23d",
    ],
)  # fmt: skip
def test_what_is_no_secret_is_taken(address: str) -> None:
    check_open("data_dir", address)
    normalised(address)
    assert "..." not in shown(address) or "versionId" in address


@pytest.mark.parametrize(
    "text",
    [
        "/a/b.csv: column 'x' holds 7 in row 3 (and 2 more such cells); expected from 1 to 5.",
        'Pass storage_options={"username": ..., "password": ...}, or https://host.example/a.',
        "as in http://[::1]:8080/data. Is it? Yes; see ~/.netrc, s3://bucket/a; or C:\\a.",
        "data_dir=/data/what?/x.csv is not there",
    ],
)
def test_a_message_without_a_secret_stays_as_it_is(text: str) -> None:
    assert shown_in(text) == text
