"""Files of the loopback Hub's repositories: listed, committed and served."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote

from tests.fakes.hub_server import Incoming, Refusal, Reply
from tests.fakes.hub_storage import Storage
from tests.fakes.hub_store import Blob, Caller, Commit, Repo, stored_by_lfs


@dataclass
class Files:
    """Answers requests about the files of a repository that the caller sees.

    Attributes:
        url: Address of the Hub.
        storage: Where LFS files are put and got.
        lfs_above: Size in bytes above which a file is asked for by LFS, whatever its kind.
        page_size: Entries that one answer of `tree` holds at most.
    """

    url: str
    storage: Storage
    lfs_above: int
    page_size: int

    def tree(self, repo: Repo, rest: list[str], incoming: Incoming, _: Caller) -> Reply:
        """The entries of a folder, a page of them at a time."""
        commit = found(repo, rest[0])
        entries = commit.entries("/".join(rest[1:]), incoming.flag("recursive"))
        if entries is None:
            raise Refusal(404, "Entry not found", "EntryNotFound")
        start = int(incoming.query.get("cursor", ["0"])[0])
        end = start + self.page_size
        reply = Reply.json(_expanded(entries[start:end], commit, incoming.flag("expand")))
        if end < len(entries):
            query = {name: values[0] for name, values in incoming.query.items()} | {"cursor": end}
            following = "&".join(f"{name}={value}" for name, value in query.items())
            link = f"{self.url}{quote(incoming.path)}?{following}"
            reply.headers["Link"] = f'<{link}>; rel="next"'
        return reply

    def paths_info(self, repo: Repo, rest: list[str], incoming: Incoming, _: Caller) -> Reply:
        """The entries of some paths; those that are not there are left out."""
        commit = found(repo, rest[0])
        form = parse_qs(incoming.body.decode())
        entries = [commit.entry(path.rstrip("/")) for path in form.get("paths", [])]
        expand = form.get("expand", ["false"])[0].lower() == "true"
        return Reply.json(_expanded([entry for entry in entries if entry], commit, expand))

    def preupload(self, repo: Repo, rest: list[str], incoming: Incoming, caller: Caller) -> Reply:
        """For each file that is to be committed: whether by LFS, and what is there now."""
        check_writable(repo, caller)
        present = found(repo, rest[0]).files

        def mode(file: dict[str, Any]) -> dict[str, Any]:
            path = file["path"]
            lfs = stored_by_lfs(path, file["size"], self.lfs_above)
            answer = {
                "path": path, "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False,
            }  # fmt: skip
            # By this the client sees that a file is there already and leaves it out.
            return answer | ({"oid": present[path].etag} if path in present else {})

        return Reply.json({"files": [mode(file) for file in incoming.json()["files"]]})

    def lfs(self, repo: Repo, what: str, incoming: Incoming, caller: Caller) -> Reply:
        """Where to put LFS files (`batch`), and whether one has arrived (`verify`)."""
        check_writable(repo, caller)
        if what == "batch":
            return self.storage.batch(repo, incoming.json())
        return self.storage.verify(incoming.json())

    def xet_credentials(
        self, repo: Repo, _: list[str], incoming: Incoming, caller: Caller
    ) -> Reply:
        """Where to put files by Xet."""
        check_writable(repo, caller)
        if self.storage.xet is None:
            raise Refusal(404, "Xet is not enabled for this repository")
        return self.storage.xet.credentials()

    def commit(self, repo: Repo, rest: list[str], incoming: Incoming, caller: Caller) -> Reply:
        """Take a commit: lines of JSON, first its message, then what it puts and removes."""
        check_writable(repo, caller)
        branch = rest[0]
        if branch not in repo.branches:
            raise Refusal(404, f"Invalid rev id: {branch}", "RevisionNotFound")
        if incoming.flag("create_pr"):
            raise Refusal(400, "This Hub takes no pull requests")
        head = repo.branches[branch][-1]
        lines = [json.loads(line) for line in incoming.body.splitlines() if line.strip()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        if not head.sha.startswith(header.get("parentCommit", "")):
            raise Refusal(412, "A commit has happened since. Please refresh and try again.")
        put: dict[str, Blob] = {}
        gone: set[str] = set()
        for line in lines:
            self._apply(repo, line["key"], line["value"], head, put, gone)
        commit = repo.commit(
            put, remove=gone, title=header["summary"], message=header.get("description", ""),
            author=caller.name or "", branch=branch,
        )  # fmt: skip
        url = f"{self.url}/datasets/{repo.id}/commit/{commit.sha}"
        return Reply.json({"success": True, "commitOid": commit.sha, "commitUrl": url})

    def _apply(
        self,
        repo: Repo,
        key: str,
        value: dict[str, Any],
        head: Commit,
        put: dict[str, Blob],
        gone: set[str],
    ) -> None:
        """Take one line of a commit into what it puts and removes."""
        path = value.get("path", "")
        if key == "file":
            put[path] = Blob.regular(base64.b64decode(value["content"]), self.storage.contents)
        elif key == "lfsFile":
            if not self.storage.holds(repo, value["oid"]):
                raise Refusal(400, f"The LFS file of {path} was never uploaded: {value['oid']}")
            put[path] = Blob.by_lfs(value["oid"], self.storage.contents)
        elif key == "deletedFile":
            if path not in head.files:
                raise Refusal(404, "A file with this name doesn't exist", "EntryNotFound")
            gone.add(path)
        elif key == "deletedFolder":
            below = {file for file in head.files if file.startswith(path.rstrip("/") + "/")}
            if not below:
                raise Refusal(404, "A folder with this name doesn't exist", "EntryNotFound")
            gone |= below
        elif key != "header":
            raise Refusal(400, f"Unknown operation in a commit: {key}")

    def resolve(
        self, repo: Repo, revision: str, path: str, incoming: Incoming, caller: Caller
    ) -> Reply:
        """A file, or where it is: LFS files are read from the storage."""
        commit = found(repo, revision)
        check_open(repo, caller)
        blob = commit.files.get(path)
        headers = {"X-Repo-Commit": commit.sha}
        if blob is None:
            raise Refusal(404, "Entry not found", "EntryNotFound", **headers)
        headers["ETag"] = f'"{blob.etag}"'
        if blob.lfs:
            headers["X-Linked-Size"] = str(blob.size)
            headers["X-Linked-Etag"] = f'"{blob.sha256}"'
            headers["Location"] = self.storage.address(blob.sha256)
            return Reply(302, headers=headers)
        return self.storage.content(blob.sha256, incoming, headers)


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


def check_open(repo: Repo, caller: Caller) -> None:
    """Check that the caller may read the files of a repository that they see.

    Raises:
        Refusal: It is gated: 403, or 401 for nobody.
    """
    if not repo.opened_by(caller):
        status = 401 if caller.name is None else 403
        raise Refusal(status, f"Access to dataset {repo.id} is restricted.", "GatedRepo")


def _expanded(entries: list[dict[str, Any]], commit: Commit, expand: bool) -> list[dict[str, Any]]:
    """Entries with the commit they are from; ours is always the one that was asked about."""
    if not expand:
        return entries
    last = {"id": commit.sha, "title": commit.title, "date": commit.date}
    return [{**entry, "lastCommit": last} for entry in entries]
