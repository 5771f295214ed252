"""What a web server answers to a login, asked by wget: sites honour a login from few programs."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from cxr_datasets.copies.logins import nameless_file
from cxr_datasets.copies.wget import environment_for, settings_for
from cxr_datasets.storage.logins import Login

_SILENCE = 30
"""Seconds without an answer after which a server counts as down."""

_STATUS = re.compile(r"^\s*HTTP/[\d.]+ (\d{3})\b", re.MULTILINE)

_WORDS = (
    "--spider", "--server-response", "--no-verbose", "--auth-no-challenge", "--tries=1",
    "--max-redirect=0", f"--timeout={_SILENCE}", "--no-hsts",
)  # fmt: skip


def answer_to(login: Login, address: str, program: Sequence[str]) -> int | None:
    """Ask for a file by one HEAD request with a login.

    The login is in no word of a command, no environment and no file with a name.

    Args:
        login: The login, as `check_login` allows it.
        address: The file, over https.
        program: What `wget.program_found` gave.

    Returns:
        The HTTP status; None if no answer came.
    """
    with nameless_file(settings_for(login)) as settings:
        done = subprocess.run(
            [*program, *_WORDS, address], env=environment_for(address, settings),
            pass_fds=(settings,), stdin=subprocess.DEVNULL, capture_output=True, check=False,
        )  # fmt: skip
    found = _STATUS.findall(done.stderr.decode("utf-8", "replace"))
    return int(found[-1]) if found else None
