"""What the loopback Hub keeps: contents by their sha256, and repositories as lists of commits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal

Gated = Literal[False, "auto", "manual"]

LFS_SUFFIXES = (
    ".7z", ".arrow", ".bin", ".bz2", ".gz", ".jpeg", ".jpg", ".npy", ".npz", ".parquet", ".png",
    ".tar", ".zip", ".zst",
)  # fmt: skip
"""Kinds of files that a new dataset repository stores by LFS, whatever their size."""

_START = datetime(2024, 1, 1, tzinfo=timezone.utc)


class Contents:
    """Contents of files by their sha256, in memory or, of a Hub that is given one, in a folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._memory: dict[str, bytes] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def add(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        if self._folder is None:
            self._memory[sha256] = content
        else:
            (self._folder / sha256).write_bytes(content)
        return sha256

    def get(self, sha256: str) -> bytes:
        if self._folder is None:
            return self._memory[sha256]
        return (self._folder / sha256).read_bytes()

    def size(self, sha256: str) -> int:
        if self._folder is None:
            return len(self._memory[sha256])
        return (self._folder / sha256).stat().st_size

    def __contains__(self, sha256: str) -> bool:
        if self._folder is None:
            return sha256 in self._memory
        return (self._folder / sha256).is_file()


@dataclass(frozen=True)
class Caller:
    """Who asks; nobody has no name.

    Attributes:
        name: Of the user.
        role: What the token may do: `write`, or only `read`.
        orgs: Organisations that the user is a member of.
    """

    name: str | None = None
    role: str = "read"
    orgs: tuple[str, ...] = ()

    def belongs_to(self, owner: str) -> bool:
        return owner == self.name or owner in self.orgs


@dataclass(frozen=True)
class Blob:
    """A file in a commit. `oid` is git's: of an LFS file, that of its pointer."""

    oid: str
    sha256: str
    size: int
    lfs: bool

    @property
    def etag(self) -> str:
        """What tells two versions of the file apart: for an LFS file its sha256, as on the Hub."""
        return self.sha256 if self.lfs else self.oid

    @classmethod
    def regular(cls, content: bytes, contents: Contents) -> Blob:
        """A file that is part of its commit."""
        return cls(_git_oid(content), contents.add(content), len(content), False)

    @classmethod
    def by_lfs(cls, sha256: str, contents: Contents) -> Blob:
        """A file whose content was put there before."""
        size = contents.size(sha256)
        return cls(_git_oid(_pointer(sha256, size)), sha256, size, True)

    def describe(self, path: str) -> dict[str, Any]:
        """The file as `tree` and `paths-info` list it."""
        entry: dict[str, Any] = {
            "type": "file", "path": path, "oid": self.oid, "size": self.size,
        }  # fmt: skip
        if self.lfs:
            pointer = len(_pointer(self.sha256, self.size))
            entry["lfs"] = {"oid": self.sha256, "size": self.size, "pointerSize": pointer}
        return entry


@dataclass(frozen=True)
class Commit:
    """A state of a branch, and how it came about."""

    sha: str
    title: str
    message: str
    author: str
    date: str
    files: Mapping[str, Blob]

    def entries(self, folder: str, recursive: bool) -> list[dict[str, Any]] | None:
        """Files and folders in a folder as `tree` lists them; None if there is no such folder."""
        prefix = f"{folder}/" if folder else ""
        listed: dict[str, dict[str, Any]] = {}
        for path, blob in self.files.items():
            if not path.startswith(prefix):
                continue
            parts = path[len(prefix) :].split("/")
            for depth in range(1, len(parts) if recursive else min(len(parts), 2)):
                below = prefix + "/".join(parts[:depth])
                listed[below] = {
                    "type": "directory", "path": below, "oid": self._folder_oid(below), "size": 0,
                }  # fmt: skip
            if recursive or len(parts) == 1:
                listed[path] = blob.describe(path)
        if folder and not listed:
            return None
        return [listed[path] for path in sorted(listed)]

    def entry(self, path: str) -> dict[str, Any] | None:
        """A file or folder as `paths-info` describes it; None if it is not there."""
        if path in self.files:
            return self.files[path].describe(path)
        if self.entries(path, recursive=False) is None:
            return None
        return {"type": "directory", "path": path, "oid": self._folder_oid(path), "size": 0}

    def _folder_oid(self, folder: str) -> str:
        below = [(p, b.oid) for p, b in self.files.items() if p.startswith(f"{folder}/")]
        return _git_oid(repr(sorted(below)).encode())


class Repo:
    """A dataset repository: what is asked about it, and its commits.

    Attributes:
        id: Owner and name, `alice/films`.
        private: Whether only its owner (for an organisation: its members) can see it.
        gated: Whether reading its files takes a permission that only `allowed` users have.
        allowed: Users with access to a gated repository, beside those who may write to it.
        objects: sha256 of the LFS files that came for it, committed or not.
    """

    def __init__(
        self, id: str, contents: Contents, author: str, private: bool = False, gated: Gated = False
    ) -> None:
        self.id = id
        self.private = private
        self.gated: Gated = gated
        self.allowed: set[str] = set()
        self.objects: set[str] = set()
        self.tags: dict[str, str] = {}
        self.branches: dict[str, list[Commit]] = {"main": []}
        self._contents = contents
        self._made = 0
        rules = [f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES]
        first = {".gitattributes": Blob.regular("".join(rules).encode(), contents)}
        self.commit(first, title="initial commit", author=author)

    @property
    def owner(self) -> str:
        return self.id.partition("/")[0]

    def seen_by(self, caller: Caller) -> bool:
        return not self.private or caller.belongs_to(self.owner)

    def opened_by(self, caller: Caller) -> bool:
        """Whether who sees the repository may read its files too."""
        return not self.gated or caller.belongs_to(self.owner) or caller.name in self.allowed

    @property
    def commits(self) -> list[Commit]:
        """Commits of the main branch, oldest first; the first one is the Hub's own."""
        return list(self.branches["main"])

    @property
    def files(self) -> dict[str, bytes]:
        """Files of the main branch, with the `.gitattributes` that the Hub itself puts there."""
        head = self.branches["main"][-1].files
        return {path: self._contents.get(blob.sha256) for path, blob in head.items()}

    def commit(
        self,
        put: Mapping[str, Blob],
        *,
        remove: Iterable[str] = (),
        title: str = "",
        message: str = "",
        author: str = "",
        branch: str = "main",
    ) -> Commit:
        """Make a commit out of the newest one, all of it or, if a file is amiss, none of it.

        Raises:
            KeyError: A path to be removed is not there.
        """
        history = self.branches[branch]
        files = dict(history[-1].files) if history else {}
        for path in remove:
            del files[path]
        files.update(put)
        self._made += 1
        seed = (self.id, self._made, title, [(p, b.oid) for p, b in sorted(files.items())])
        date = (_START + timedelta(seconds=self._made)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        sha = hashlib.sha1(repr(seed).encode()).hexdigest()
        commit = Commit(sha, title, message, author, date, files)
        history.append(commit)
        return commit

    def find(self, revision: str) -> Commit | None:
        """The commit that a branch, a tag or a commit's hash stands for."""
        name = revision.removeprefix("refs/heads/").removeprefix("refs/tags/")
        if name in self.branches:
            return self.branches[name][-1]
        sha = self.tags.get(name, name)
        every = [commit for history in self.branches.values() for commit in history]
        return next((commit for commit in every if commit.sha == sha), None)


def stored_by_lfs(path: str, size: int, above: int) -> bool:
    """Whether the Hub asks for a file by LFS: by its kind, or because it is large."""
    return path.lower().endswith(LFS_SUFFIXES) or size > above


def _pointer(sha256: str, size: int) -> bytes:
    """The text that git keeps in the place of an LFS file (format of git-lfs, version 1)."""
    version = "https://git-lfs.github.com/spec/v1"
    return f"version {version}\noid sha256:{sha256}\nsize {size}\n".encode()


def _git_oid(content: bytes) -> str:
    """The name git gives to a file with this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
