"""Permissions of what is made under a umask, also of what is there only for a moment."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CREDENTIALED = {0o000: (0o750, 0o640), 0o022: (0o750, 0o640), 0o077: (0o700, 0o600)}
"""By umask, the most that a folder and a file of a dataset with an agreement give."""

_MOMENTS = ((os, "replace"), (os, "rename"), (os, "unlink"), (shutil, "move"), (shutil, "rmtree"))


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Set the umask for as long as the block lasts."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """Give the permissions of all that is in a folder, by its path there; links do not count."""
    found = {}
    for path in sorted(folder.rglob("*")):
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:  # a worker was faster
            continue
        if not stat.S_ISLNK(mode):
            name = path.relative_to(folder).as_posix()
            found[f"{name}/" if stat.S_ISDIR(mode) else name] = stat.S_IMODE(mode)
    return found


def too_open(found: dict[str, int], folder: int, file: int) -> dict[str, str]:
    """Name what gives more than a folder or a file may."""
    return {
        path: oct(mode)
        for path, mode in found.items()
        if mode & ~(folder if path.endswith("/") else file)
    }


class Watch:
    """Looks at a folder whenever something in this process is renamed or removed, and in the end.

    Attributes:
        seen: All permissions that a path had, put together, by the path in the folder.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        """Watch a folder; temporary files go into its folder `tmp` from now on."""
        self.seen: dict[str, int] = {}
        self._folder = folder
        (folder / "tmp").mkdir(mode=0o700, parents=True)
        patch.setattr(tempfile, "tempdir", str(folder / "tmp"))
        for module, name in _MOMENTS:
            patch.setattr(module, name, self._looking_before(getattr(module, name)))

    def _looking_before(self, function: Any) -> Any:
        def looking(*args: Any, **kwargs: Any) -> Any:
            self.look()
            return function(*args, **kwargs)

        return looking

    def look(self) -> dict[str, int]:
        """Look now, and give what there was to see so far."""
        for path, mode in modes(self._folder).items():
            self.seen[path] = self.seen.get(path, 0) | mode
        return self.seen
