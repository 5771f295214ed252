"""Files and folders that we make on a disk of this machine.

Two rules hold for all of them.

- **Closed.** What comes of a dataset with an agreement gives nothing to other users of the machine,
  whatever the umask: its folders get at most the mode 0750, its files at most 0640. Whoever makes a
  folder says once that it is closed; a file gives others no more than its folder does. Where
  nothing is said, the umask decides.
- **Ours.** A file is opened only if it is one: no link, pipe or device in its place is followed,
  written to or cut off. To be written to, it must be this user's, root's, or the folder's owner's,
  and have no second name.

The umask is never changed: it is one for all threads of a process.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from cxr_datasets.wording import OwnWords, get_logger

_FOLDER, _FILE = 0o750, 0o640
"""The most that a closed folder or file gives."""

_OTHERS = stat.S_IRWXO
_ROOT = 0
_HAS_MODES = os.name != "nt"
_HAS_OWNERS = hasattr(os, "geteuid")

_SAFE = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe would make us wait for its other end
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_WRITES = os.O_WRONLY | os.O_RDWR

_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)

_logger = get_logger(__name__)

_closed: set[str] = set()
"""Folders that this process keeps closed, with all that is made in them."""

_told: set[str] = set()
"""Folders of which was said that they stay open."""


class NotOurs(OwnWords, OSError):
    """Something else stands where a file or folder of ours should be."""

    def __init__(self, path: str | os.PathLike[str], what: str):
        super().__init__(errno.ELOOP, what, os.fspath(path))

    def __reduce__(self) -> tuple[type[NotOurs], tuple[str, str]]:
        return type(self), (self.filename, self.strerror or "")


def keep_closed(folder: str | os.PathLike[str]) -> None:
    """From now on let all that this process makes in a folder, and the folder, be closed.

    Args:
        folder: It need not be there yet.
    """
    _closed.add(os.path.abspath(folder))


def make_folder(path: str | os.PathLike[str], closed: bool | None = None) -> list[str]:
    """Make a folder and those above it that are not there. One that is there stays as it is.

    Args:
        path: The folder.
        closed: Whether all that are made are closed; None: those that `keep_closed` named.

    Returns:
        Those that were not there, from the top.

    Raises:
        NotOurs: Another user's link is in its place.
        NotADirectoryError: A file is.
        OSError: It cannot be made.
    """
    place = os.path.abspath(path)
    missing = []
    while not os.path.lexists(place) and os.path.dirname(place) != place:
        missing.append(place)
        place = os.path.dirname(place)
    missing.reverse()
    for folder in missing:
        is_closed = _is_kept_closed(folder) if closed is None else closed
        with suppress(FileExistsError):  # another process was faster
            os.mkdir(folder, _FOLDER if is_closed else 0o777)
    check_folder(path)
    if not os.path.isdir(path):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fspath(path))
    return missing


def check_folder(
    path: str | os.PathLike[str], may_be_link: bool = True, must_be_own: bool = False
) -> None:
    """Require that a folder, if it is there, is not a link that leads elsewhere.

    Args:
        path: The folder.
        may_be_link: Whether it may be a link of this user's, as to a larger disk.
        must_be_own: Whether it must not be another user's, as a file must that is written to.

    Raises:
        NotOurs: It is one, or another user's.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if stat.S_ISLNK(found.st_mode) and not may_be_link:
        raise NotOurs(path, f"{_in_its_place(found)}, which is not followed")
    if must_be_own or stat.S_ISLNK(found.st_mode):
        _check_owner(path, found)


def open_file(path: str | os.PathLike[str], flags: int, alone: bool = True) -> int:
    """Open a file of ours; serves as the `opener` of the built-in `open`, too.

    Args:
        path: The file.
        flags: Those of `os.open`.
        alone: Whether a file that is opened to be written to must have no second name.

    Returns:
        A descriptor.

    Raises:
        NotOurs: Something else stands in its place. Nothing was changed.
        OSError: As `os.open`.
    """
    above = os.stat(os.path.dirname(os.path.abspath(path)))
    closed = _is_in_closed(path, above)
    try:
        # Nothing is cut off before it is known what it is.
        descriptor = os.open(path, (flags & ~os.O_TRUNC) | _SAFE, _FILE if closed else 0o666)
    except OSError:
        check_file(path)
        raise
    try:
        found = os.fstat(descriptor)
        _check_regular(path, found)
        if flags & _WRITES and alone:
            _check_alone(path, found)
        if flags & _WRITES or closed:
            _check_owner(path, found, above)
        if closed:
            _close(descriptor, found)
        if flags & os.O_TRUNC and found.st_size:
            os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def new_file(path: str | os.PathLike[str]) -> int:
    """Make a file that is not there yet.

    Returns:
        A descriptor to write and read.

    Raises:
        NotOurs: Something that is no file stands in its place.
        OSError: It is there, or cannot be made.
    """
    return open_file(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)


def check_file(path: str | os.PathLike[str], writes: bool = False) -> None:
    """Require that a file, if it is there, is one, before another library opens it by its name.

    Args:
        path: The file.
        writes: Whether it is opened to be written to.

    Raises:
        NotOurs: A link, a pipe or a device stands in its place.
        IsADirectoryError: A folder does.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        found = os.lstat(path)
        _check_regular(path, found)
        if writes and found.st_size:  # a lock of others is empty, and stays so
            _check_alone(path, found)


def close_tree(folder: str | os.PathLike[str], only_if_open: bool = False) -> None:
    """Take from other users what a folder, and all that is in it, gives them.

    One line says what could not be closed: some file systems know no permissions, and what is
    another user's only they can close.

    Args:
        folder: The folder, or a link to it; it may be missing. Links in it are left as they are.
        only_if_open: Whether to look into the folder only if it gave others something itself.
    """
    if not _HAS_MODES or not os.path.isdir(folder):
        return
    root = os.path.realpath(folder)
    if only_if_open and not os.stat(root).st_mode & _OTHERS:
        return
    closed = [close(place) for place in _all_in(root)]
    if all(closed) or root in _told:
        return
    _told.add(root)
    _logger.warning(
        "%d of %d files and folders in %s stay open to other users of this machine: their "
        "permissions could not be changed. Ask their owner to close them, or use a disk that keeps "
        "permissions",
        closed.count(False), len(closed), root,
    )  # fmt: skip


def close(path: str | os.PathLike[str]) -> bool:
    """Take from other users what a file or folder gives them.

    Returns:
        Whether they are given nothing now. True for a link, which is no file, and for what is gone.
    """
    if not _HAS_MODES:
        return True
    try:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            return True
        _close(path, found)
        return not os.lstat(path).st_mode & _OTHERS
    except FileNotFoundError:
        return True


def close_as_folder(path: str | os.PathLike[str]) -> None:
    """Close a file that another library made, if its folder is closed."""
    above = os.stat(os.path.dirname(os.path.abspath(path)))
    if _is_in_closed(path, above):
        close(path)


def _close(place: str | os.PathLike[str] | int, found: os.stat_result) -> None:
    mode = stat.S_IMODE(found.st_mode)
    most = _FOLDER if stat.S_ISDIR(found.st_mode) else _FILE
    wanted = mode & (most | ~0o777)
    if _HAS_MODES and wanted != mode:
        with suppress(OSError):  # not every file system can, and not every user may
            os.chmod(place, wanted)


def _all_in(folder: str) -> Iterator[str]:
    yield folder
    for above, folders, files in os.walk(folder):
        yield from (os.path.join(above, name) for name in (*folders, *files))


def _is_in_closed(path: str | os.PathLike[str], above: os.stat_result) -> bool:
    """Whether a file's folder gives others nothing, or is to be kept so."""
    return not above.st_mode & _OTHERS or _is_kept_closed(path)


def _is_kept_closed(path: str | os.PathLike[str]) -> bool:
    place = os.path.abspath(path)
    return any(place == folder or place.startswith(folder + os.sep) for folder in _closed)


def _check_regular(path: str | os.PathLike[str], found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(found.st_mode):
        raise NotOurs(path, f"{_in_its_place(found)}, which is neither read nor written")


def _check_alone(path: str | os.PathLike[str], found: os.stat_result) -> None:
    if found.st_nlink > 1:
        raise NotOurs(path, "it has a second name (a hard link), which would be changed too")


def _check_owner(
    path: str | os.PathLike[str], found: os.stat_result, above: os.stat_result | None = None
) -> None:
    """Require a file of this user's, root's, or its folder's owner's.

    The last may do with it what they like anyway; and some disks show one owner for all files.
    """
    if not _HAS_OWNERS:
        return
    above = above or os.stat(os.path.dirname(os.path.abspath(path)))
    if found.st_uid not in (os.geteuid(), _ROOT, above.st_uid):
        raise NotOurs(path, f"it belongs to another user (number {found.st_uid})")


def _in_its_place(found: os.stat_result) -> str:
    kind = next((told for is_kind, told in _KINDS if is_kind(found.st_mode)), "something else")
    return f"{kind} is in its place"
