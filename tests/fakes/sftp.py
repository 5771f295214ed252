"""An SFTP server on loopback that serves one folder, with a login and a log of what was opened."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh

USER, PASSWORD = "reader", "invented-sftp-password"


class Sftp:
    """The server, for as long as a `with` lasts.

    Args:
        folder: What clients see as `/`.

    Attributes:
        port: Its port on 127.0.0.1.
        opened: Paths of the files that were opened so far, in order.
        logins: How many connections there were.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: list[str] = []
        self.logins = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._connections: list[asyncssh.SSHServerConnection] = []

    def __enter__(self) -> Sftp:
        self._thread.start()
        self._server = self._run(self._listen())
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *error: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def options(self) -> dict[str, Any]:
        """Options of fsspec's `sftp` that hold the login, and keep out keys of this machine."""
        return {
            "username": USER, "password": PASSWORD, "allow_agent": False, "look_for_keys": False,
        }  # fmt: skip

    def place(self, path: str) -> SftpPlace:
        """A folder on the server."""
        return SftpPlace(self, path)

    def drop(self) -> None:
        """Break off all connections."""
        self._run(self._drop())

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> asyncssh.SSHAcceptor:
        return await asyncssh.create_server(
            lambda: _Login(self),
            "127.0.0.1",
            0,
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            sftp_factory=lambda channel: _Files(self, channel),
        )

    async def _drop(self) -> None:
        for connection in self._connections:
            connection.abort()
        self._connections.clear()

    async def _close(self) -> None:
        await self._drop()
        self._server.close()
        await self._server.wait_closed()


class SftpPlace:
    """A folder on the server that holds a release, seen by its owner."""

    def __init__(self, sftp: Sftp, path: str) -> None:
        self._sftp = sftp
        self._path = path
        self.folder = sftp.folder / path
        self.url = f"sftp://127.0.0.1:{sftp.port}/{path}"
        self._clock = 0

    def put(self, path: str, content: bytes) -> None:
        """Write a file, new or in the place of an old one."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)  # it may be a hard link
        file.write_bytes(content)
        self._clock += 10  # the protocol knows whole seconds only
        os.utime(file, (2e9 + self._clock, 2e9 + self._clock))

    def remove(self, path: str) -> None:
        """Remove a file."""
        (self.folder / path).unlink()

    def reads(self) -> Iterator[str]:
        """Paths that were opened, in order."""
        return iter(list(self._sftp.opened))


class _Login(asyncssh.SSHServer):
    def __init__(self, sftp: Sftp) -> None:
        self._sftp = sftp

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._sftp._connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        self._sftp.logins += 1
        return (username, password) == (USER, PASSWORD)


class _Files(asyncssh.SFTPServer):
    def __init__(self, sftp: Sftp, channel: Any) -> None:
        super().__init__(channel, chroot=os.fsencode(sftp.folder))
        self._sftp = sftp

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        self._sftp.opened.append(os.fsdecode(path))
        return super().open(path, pflags, attrs)
