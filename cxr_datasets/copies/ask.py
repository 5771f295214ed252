"""What a web server answers to a login, asked by wget: sites honour a login from few programs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from urllib.parse import urlsplit

from cxr_datasets.copies.logins import nameless_file
from cxr_datasets.storage.logins import Login
from cxr_datasets.storage.sites import site_of

_SILENCE = 30
"""Seconds without an answer after which a server counts as down."""

_STATUS = re.compile(r"^\s*HTTP/[\d.]+ (\d{3})\b", re.MULTILINE)

_WORDS = (
    "--spider", "--server-response", "--no-verbose", "--auth-no-challenge", "--tries=1",
    "--max-redirect=0", f"--timeout={_SILENCE}", "--no-hsts",
)  # fmt: skip


def has_wget() -> bool:
    """Whether wget is installed."""
    return shutil.which("wget") is not None


def can_be_told(login: Login) -> bool:
    """Whether a line of wget's settings can hold the name and the password."""
    return all(text == text.strip() and text.isprintable() for text in (login.user, login.password))


def answer_to(login: Login, address: str) -> int | None:
    """Ask for a file by one HEAD request with a login.

    The login is in no word of a command, no environment and no file with a name.

    Args:
        login: The login; `can_be_told`.
        address: The file, over https.

    Returns:
        The HTTP status; None if no answer came.
    """
    settings = f"user = {login.user}\npassword = {login.password}\nnetrc = off\n"
    if trusted := os.environ.get("SSL_CERT_FILE"):
        settings += f"ca_certificate = {trusted}\n"
    with nameless_file(settings) as number:
        done = subprocess.run(
            ["wget", *_WORDS, address], env=_environment(address, number), pass_fds=(number,),
            stdin=subprocess.DEVNULL, capture_output=True, check=False,
        )  # fmt: skip
    found = _STATUS.findall(done.stderr.decode("utf-8", "replace"))
    return int(found[-1]) if found else None


def _environment(address: str, settings: int) -> dict[str, str]:
    """The environment of wget: ours without the login, and where its settings are."""
    site = site_of(urlsplit(address).netloc)
    logins = (site.user_variable, site.password_variable) if site else ()
    kept = {name: value for name, value in os.environ.items() if name not in logins}
    return {**kept, "WGETRC": f"/dev/fd/{settings}", "LC_ALL": "C"}
