"""Files of the loopback Hub's repositories: listed, committed and served."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from tests.fakes.hub.connection import Incoming, Refusal, Reply
from tests.fakes.hub.repository import Blob, Caller, Commit, Repo, stored_by_lfs
from tests.fakes.hub.storage import Storage, content_reply


@dataclass
class Files:
    """Answers requests about the files of a repository that the caller sees.

    Attributes:
        url: Address of the Hub.
        storage: Where LFS files are put and got.
    """

    url: str
    storage: Storage

    def tree(self, repo: Repo, rest: list[str], incoming: Incoming, _: Caller) -> Reply:
        """The entries of a folder. (The real Hub sends long lists in pages.)"""
        entries = found(repo, rest[0]).entries("/".join(rest[1:]), incoming.flag("recursive"))
        if entries is None:
            raise Refusal(404, "Entry not found", "EntryNotFound")
        return Reply.json(entries)

    def preupload(self, repo: Repo, rest: list[str], incoming: Incoming, caller: Caller) -> Reply:
        """For each file that is to be committed: whether by LFS, and what is there now."""
        check_writable(repo, caller)
        present = found(repo, rest[0]).files

        def mode(file: dict[str, Any]) -> dict[str, Any]:
            path = file["path"]
            upload = "lfs" if stored_by_lfs(path) else "regular"
            answer = {"path": path, "uploadMode": upload, "shouldIgnore": False}
            # By this the client sees that a file is there already and leaves it out.
            return answer | ({"oid": present[path].etag} if path in present else {})

        return Reply.json({"files": [mode(file) for file in incoming.json()["files"]]})

    def lfs(self, repo: Repo, what: str, incoming: Incoming, caller: Caller) -> Reply:
        """Where to put LFS files (`batch`), and whether one has arrived (`verify`)."""
        check_writable(repo, caller)
        if what == "batch":
            return self.storage.batch(repo, incoming.json())
        return self.storage.verify(repo, incoming.json())

    def xet_credentials(
        self, repo: Repo, _: list[str], incoming: Incoming, caller: Caller
    ) -> Reply:
        """Where to put files by Xet."""
        check_writable(repo, caller)
        assert self.storage.xet is not None
        return self.storage.xet.credentials()

    def commit(self, repo: Repo, _: list[str], incoming: Incoming, caller: Caller) -> Reply:
        """Take a commit: lines of JSON, first its message, then the files it puts."""
        check_writable(repo, caller)
        title, put = "", {}
        for line in map(json.loads, filter(None, incoming.body.splitlines())):
            value = line["value"]
            if line["key"] == "header":
                title = value["summary"]
                if value.get("parentCommit") not in (None, repo.commits[-1].sha):
                    raise Refusal(412, "A commit has happened since. Please refresh and try again.")
            elif line["key"] == "file":
                put[value["path"]] = Blob(base64.b64decode(value["content"]), False)
            elif line["key"] == "lfsFile" and self.storage.holds(repo, value["oid"]):
                put[value["path"]] = repo.objects[value["oid"]]
            else:
                raise Refusal(400, f"No operation of a commit, or no file that came: {line}")
        commit = repo.commit(put, title)
        url = f"{self.url}/datasets/{repo.id}/commit/{commit.sha}"
        return Reply.json({"success": True, "commitOid": commit.sha, "commitUrl": url})

    def resolve(self, repo: Repo, revision: str, path: str, incoming: Incoming) -> Reply:
        """A file, or where it is: LFS files are read from the storage."""
        commit = found(repo, revision)
        blob = commit.files.get(path)
        headers = {"X-Repo-Commit": commit.sha}
        if blob is None:
            raise Refusal(404, "Entry not found", "EntryNotFound", **headers)
        headers["ETag"] = f'"{blob.etag}"'
        if blob.lfs:
            headers["X-Linked-Size"] = str(len(blob.content))
            headers["X-Linked-Etag"] = f'"{blob.sha256}"'
            headers["Location"] = self.storage.address(blob)
            return Reply(302, headers=headers)
        return content_reply(blob, incoming, headers)


def found(repo: Repo, revision: str) -> Commit:
    """The commit of a revision.

    Raises:
        Refusal: There is none (404).
    """
    commit = repo.find(revision)
    if commit is None:
        raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    return commit


def check_writable(repo: Repo, caller: Caller) -> None:
    """Check that the caller may change a repository that they see.

    Raises:
        Refusal: They may not: 403, or 401 for nobody.
    """
    if caller.name is None:
        raise Refusal(401, "Invalid username or password.", "RepoNotFound")
    if caller.role != "write":
        raise Refusal(403, "This token may only read")
    if not caller.belongs_to(repo.owner):
        raise Refusal(403, f"{caller.name} may not write to the repositories of {repo.owner}")
