"""Files and folders of ours: who may use them, and what is opened in their place."""

from __future__ import annotations

import os
import pickle
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cxr_datasets.storage import own
from tests.modes import umask

A_USER, ANOTHER = 54_321, 54_322

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become other users")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def as_user(number: int, work: Callable[[], object]) -> str:
    """Do some work as another user; give the name of the error that ended it, or nothing."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(number)
            os.setuid(number)
            work()
        except BaseException as error:
            os.write(write, type(error).__name__.encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as told:
        return told.read()


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that all users can reach and write to; pytest's own are closed."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_the_umask_decides_where_nothing_is_closed(tmp_path: Path, mask: int) -> None:
    with umask(mask):
        made = own.make_folder(tmp_path / "a" / "b")
        os.close(own.new_file(tmp_path / "a" / "b" / "file"))
    assert made == [str(tmp_path / "a"), str(tmp_path / "a" / "b")]
    assert {mode(Path(folder)) for folder in made} == {0o777 & ~mask}
    assert mode(tmp_path / "a" / "b" / "file") == 0o666 & ~mask


def test_a_file_gives_no_more_than_its_folder_and_one_that_was_open_is_closed(
    tmp_path: Path,
) -> None:
    own.make_folder(tmp_path / "closed", closed=True)
    file = tmp_path / "closed" / "file"
    file.touch()
    file.chmod(0o666)
    os.close(own.open_file(file, os.O_RDONLY))
    assert mode(file) == 0o640


def test_bits_of_a_folder_that_are_no_permissions_stay(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(0o2777)
    assert own.close(folder)
    assert mode(folder) == 0o2750


def test_what_gives_less_is_not_opened_wider(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    file.chmod(0o400)
    own.close_tree(tmp_path)
    assert mode(file) == 0o400


def test_nothing_is_cut_off_before_it_is_known_to_be_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "other").hardlink_to(tmp_path / "file")
    with pytest.raises(own.NotOurs):
        own.open_file(tmp_path / "other", os.O_WRONLY | os.O_TRUNC)
    assert (tmp_path / "file").read_text() == "kept"
    (tmp_path / "other").unlink()
    os.close(own.open_file(tmp_path / "file", os.O_WRONLY | os.O_TRUNC))
    assert (tmp_path / "file").read_text() == ""


def test_the_error_comes_whole_out_of_a_process(tmp_path: Path) -> None:
    error = own.NotOurs(tmp_path, "a symbolic link is in its place")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.filename) == (str(error), str(tmp_path))


@as_root
def test_another_user_gets_into_nothing_that_is_closed(shared: Path) -> None:
    with umask(0):
        own.make_folder(shared / "closed", closed=True)
        os.close(own.new_file(shared / "closed" / "file"))
    assert as_user(A_USER, lambda: os.listdir(shared / "closed")) == "PermissionError"
    assert as_user(A_USER, (shared / "closed" / "file").read_bytes) == "PermissionError"


@as_root
def test_users_who_share_an_open_folder_read_each_others_files(shared: Path) -> None:
    with umask(0):
        made = as_user(A_USER, lambda: own.make_folder(shared / "index"))
        first = as_user(A_USER, lambda: own.new_file(shared / "index" / "file"))
        read = as_user(ANOTHER, lambda: own.open_file(shared / "index" / "file", os.O_RDONLY))
        # In a folder of A's a file of A's may be written to, if the permissions say so.
        written = as_user(ANOTHER, lambda: own.open_file(shared / "index" / "file", os.O_RDWR))
    assert (made, first, read, written) == ("", "", "", "")


@as_root
def test_a_file_that_another_user_put_there_is_not_written_to(shared: Path) -> None:
    with umask(0):
        assert as_user(ANOTHER, lambda: own.new_file(shared / "lock")) == ""
        wrote = as_user(A_USER, lambda: own.open_file(shared / "lock", os.O_RDWR))
    assert wrote == "NotOurs"
