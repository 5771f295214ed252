"""What the loopback Hub keeps: repositories as lists of commits, commits as files by path."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

Gated = Literal[False, "auto", "manual"]

LFS_SUFFIXES = (
    ".7z", ".arrow", ".bin", ".bz2", ".gz", ".jpeg", ".jpg", ".npy", ".npz", ".parquet", ".png",
    ".tar", ".zip", ".zst",
)  # fmt: skip
"""Kinds of files that a new dataset repository stores by LFS, whatever their size."""


def stored_by_lfs(path: str) -> bool:
    """Whether the Hub asks for a file by LFS. (The real one does so for large files too.)"""
    return path.lower().endswith(LFS_SUFFIXES)


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
    """A file in a commit, stored there or by LFS."""

    content: bytes
    lfs: bool

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def etag(self) -> str:
        """What tells two versions of the file apart: for an LFS file its sha256, as on the Hub."""
        return self.sha256 if self.lfs else _git_oid(self.content)

    def describe(self, path: str) -> dict[str, Any]:
        """The file as `tree` lists it. `oid` is git's: of an LFS file, that of its pointer."""
        size = len(self.content)
        stored = _pointer(self.sha256, size) if self.lfs else self.content
        entry = {"type": "file", "path": path, "oid": _git_oid(stored), "size": size}
        if self.lfs:
            entry["lfs"] = {"oid": self.sha256, "size": size, "pointerSize": len(stored)}
        return entry


@dataclass(frozen=True)
class Commit:
    """A state of a repository."""

    sha: str
    title: str
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
                oid = _git_oid(f"{self.sha} {below}".encode())
                listed[below] = {"type": "directory", "path": below, "oid": oid, "size": 0}
            if recursive or len(parts) == 1:
                listed[path] = blob.describe(path)
        if folder and not listed:
            return None
        return [listed[path] for path in sorted(listed)]


class Repo:
    """A dataset repository: what is asked about it, and its commits.

    Attributes:
        id: Owner and name, `alice/films`.
        private: Whether only its owner (for an organisation: its members) can see it.
        gated: Whether who wants to read its files has to ask first.
        objects: LFS files that came for it, committed or not, by their sha256.
        commits: Oldest first; the first one is the Hub's own.
    """

    def __init__(self, id: str, private: bool = False, gated: Gated = False) -> None:
        self.id = id
        self.private = private
        self.gated: Gated = gated
        self.objects: dict[str, Blob] = {}
        self.commits: list[Commit] = []
        rules = [f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES]
        self.commit({".gitattributes": Blob("".join(rules).encode(), False)}, "initial commit")

    @property
    def owner(self) -> str:
        return self.id.partition("/")[0]

    def seen_by(self, caller: Caller) -> bool:
        return not self.private or caller.belongs_to(self.owner)

    @property
    def files(self) -> dict[str, bytes]:
        """Files of the newest commit, with the `.gitattributes` that the Hub itself puts there."""
        return {path: blob.content for path, blob in self.commits[-1].files.items()}

    def commit(self, put: Mapping[str, Blob], title: str) -> Commit:
        """Make a commit of the newest one and some files more."""
        files = {**(self.commits[-1].files if self.commits else {}), **put}
        self.objects |= {blob.sha256: blob for blob in put.values() if blob.lfs}
        seed = (self.id, len(self.commits), title, [(p, b.etag) for p, b in sorted(files.items())])
        commit = Commit(hashlib.sha1(repr(seed).encode()).hexdigest(), title, files)
        self.commits.append(commit)
        return commit

    def find(self, revision: str) -> Commit | None:
        """The commit that the main branch or a commit's hash stands for."""
        if revision in ("main", "refs/heads/main"):
            return self.commits[-1]
        return next((commit for commit in self.commits if commit.sha == revision), None)


def _pointer(sha256: str, size: int) -> bytes:
    """The text that git keeps in the place of an LFS file (format of git-lfs, version 1)."""
    version = "https://git-lfs.github.com/spec/v1"
    return f"version {version}\noid sha256:{sha256}\nsize {size}\n".encode()


def _git_oid(content: bytes) -> str:
    """The name git gives to a file with this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
