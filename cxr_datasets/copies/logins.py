"""A login for a program that fetches: found, or asked for, and handed on without leaving a trace.

It is never in the words of a command line, nor in the environment of another program, nor in a file
that has a name. The program reads it from a file that is open and has none: that is gone when the
program ends, whatever ends it, and this one.
"""

from __future__ import annotations

import getpass
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from cxr_datasets.errors import DownloadError
from cxr_datasets.storage.logins import Login, find_login, host_of
from cxr_datasets.storage.sites import site_of

_FIRST_NUMBER = 10
"""Numbers of open files below this are used by shells for their own."""


def login_for(server: str) -> Login:
    """Find the login for a server, or ask the user for it at the terminal, without an echo.

    Args:
        server: `HOST` or `HOST:PORT`.

    Raises:
        DownloadError: There is none, and nobody to ask.
    """
    found = find_login(server, {})
    if found is None and sys.stdin is not None and sys.stdin.isatty():
        found = _asked(host_of(server))
    if found is None:
        site, host = site_of(server), host_of(server)
        variables = (
            f", or {site.user_variable} and {site.password_variable} into the environment"
            if site
            else ""
        )
        raise DownloadError(
            f"There is no login for {host}. Put it into ~/.netrc (machine {host} login NAME "
            f"password WORD; readable by you alone){variables}; or start this in a "
            "terminal, where it is asked for."
        )
    check_login(found)
    return found


def _asked(host: str) -> Login | None:
    sys.stderr.write(f"User name at {host}: ")
    sys.stderr.flush()
    user = sys.stdin.readline().strip()
    password = getpass.getpass(f"Password of {user} (not shown): ") if user else ""
    return Login(user, password, "the terminal") if password else None


def check_login(login: Login) -> None:
    """Require that a line of a file can hold the name and the password.

    Raises:
        DownloadError: It cannot.
    """
    for what, text in (("user name", login.user), ("password", login.password)):
        if text != text.strip() or not text.isprintable():
            raise DownloadError(
                f"The {what} in {login.found} begins or ends with a blank, or holds a character "
                "that is not printed, which wget cannot be told. Check it there; if it is right, "
                "change it at the site."
            )


@contextmanager
def nameless_file(content: str) -> Iterator[int]:
    """Keep a text in a file without a name, for a program that is started.

    Args:
        content: The text.

    Yields:
        The number of the open file, for `pass_fds`. The program opens `/dev/fd/<number>`.
    """
    with tempfile.TemporaryFile() as file:  # of this user alone, and without a name from the start
        number = _high(file.fileno())
        try:
            os.write(number, content.encode())
            os.lseek(number, 0, os.SEEK_SET)
            yield number
        finally:
            os.close(number)


def _high(number: int) -> int:
    import fcntl

    return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _FIRST_NUMBER)
