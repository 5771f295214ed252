"""The program GNU wget: which one it is, and its words, settings and environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from urllib.parse import urlsplit

from cxr_datasets.errors import DownloadError
from cxr_datasets.storage.logins import Login
from cxr_datasets.storage.sites import site_of

SILENCE = 60
"""Seconds without a byte after which wget gives a connection up."""

HOW_TO_INSTALL = (
    "Install GNU wget: `apt install wget` (Debian, Ubuntu), `dnf install wget1` (Fedora), "
    "`dnf install wget` (RHEL), `brew install wget` (macOS), or `conda install -c conda-forge "
    "wget`. On Windows: in WSL."
)

_NAMES = ("wget", "wget1")
"""Where `wget` is Wget2, as on Fedora, the other one has the second name."""

_VERSION = re.compile(r"GNU Wget 1\.(?P<minor>\d+)")
_OLDEST = 17
"""The first that has `--no-if-modified-since`."""


def options_of(program: str, address: str) -> list[str]:
    """Give the words that wget is called with, as a user may call it, too.

    Args:
        program: What `find_program` gave.
        address: Of the folder of the release.
    """
    above = [part for part in urlsplit(address).path.split("/") if part]
    return [
        program, "-nv", *words_for(len(above)), f"--base={address}",
        # With a file that was cut, to ask only for a newer one would be to keep it as it is.
        "--no-if-modified-since",
        # To try again is done here; a login goes to no other server.
        "--tries=1", "--max-redirect=0", f"--timeout={SILENCE}",
    ]  # fmt: skip


def words_for(folders: int) -> list[str]:
    """The documented options: whole or newer files only, in the release's own folders."""
    return ["-x", "-N", "-c", "-nH", f"--cut-dirs={folders}"]


def find_program() -> str:
    """Find GNU wget 1.

    Raises:
        DownloadError: There is none, or only others that have its name.
    """
    others = []
    for found in filter(None, map(shutil.which, _NAMES)):
        asked = subprocess.run(
            [found, "--version"], capture_output=True, stdin=subprocess.DEVNULL, check=False,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},  # without a login
        )  # fmt: skip
        version = _VERSION.search(asked.stdout.decode("utf-8", "replace"))
        if version and int(version["minor"]) >= _OLDEST:
            return found
        others.append(found)
    if others:
        raise DownloadError(
            f"{others[0]} is not GNU wget 1.{_OLDEST} or later of version 1. BusyBox has another, "
            f"and servers do not know Wget2. {HOW_TO_INSTALL}"
        )
    raise DownloadError(f"wget is not installed, and the site is read by it. {HOW_TO_INSTALL}")


def settings_of(login: Login) -> str:
    """Write the settings of wget: the login, and whom to trust."""
    lines = [f"user = {login.user}", f"password = {login.password}", "netrc = off"]
    trusted = os.environ.get("SSL_CERT_FILE")
    if trusted:
        lines.append(f"ca_certificate = {trusted}")
    return "\n".join([*lines, ""])


def environment_of(address: str, settings: int) -> dict[str, str]:
    """The environment of wget: ours without the login, and where its settings are."""
    site = site_of(urlsplit(address).netloc)
    ours = (site.user_variable, site.password_variable) if site else ()
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, "WGETRC": f"/dev/fd/{settings}", "LC_ALL": "C"}
