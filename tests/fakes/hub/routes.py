"""The routes of the loopback Hub, and what it answers about accounts and repositories."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.hub.connection import Incoming, Refusal, Reply
from tests.fakes.hub.files import Files, check_writable, found
from tests.fakes.hub.repository import Caller, Repo


@dataclass(frozen=True)
class Account:
    """A user of the Hub.

    Attributes:
        token: An access token that may write. Like a real one it should begin with `hf_`.
        orgs: Organisations that the user is a member of, with the right to write.
        read_token: A second token of the user's, that may only read.
    """

    token: str
    orgs: tuple[str, ...] = ()
    read_token: str | None = None


@dataclass
class Routes:
    """Answers requests, one at a time.

    Attributes:
        url: Address of the Hub.
        users: Accounts by name.
        files: Answers what is about files.
        repos: Repositories by id.
        buckets: Whether a bucket is private, by its id; nothing can be put into one.
    """

    url: str
    users: dict[str, Account]
    files: Files
    repos: dict[str, Repo] = field(default_factory=dict)
    buckets: dict[str, bool] = field(default_factory=dict)

    def caller(self, parts: tuple[str, ...], authorization: str | None) -> Caller:
        """Whose token came with a request; addresses of the storage are for whoever has them.

        Raises:
            Refusal: Nobody's: 401, with no code, as the Hub has it.
        """
        if authorization is None or parts[:1] == ("_storage",):
            return Caller()
        token = authorization.removeprefix("Bearer ")
        for name, account in self.users.items():
            if token == account.token:
                return Caller(name, "write", account.orgs)
            if token == account.read_token:
                return Caller(name, "read", account.orgs)
        raise Refusal(401, "Invalid credentials in Authorization header")

    def answer(self, incoming: Incoming, caller: Caller) -> Reply:
        """The answer to a request.

        Raises:
            Refusal: It is an error.
        """
        match incoming.method, incoming.parts:
            case _, ("_storage", *_):
                return self.files.storage.answer(incoming)
            case "GET", ("api", "whoami-v2"):
                return _whoami(caller)
            case "GET", ("api", "organizations", name, "overview"):
                return self._organisation(name)
            case "POST", ("api", "validate-yaml"):
                return Reply.json({"errors": [], "warnings": []})
            case "POST", ("api", "repos", "create"):
                return self._create(incoming.json(), caller)
            case "GET", ("api", "buckets", owner, name):
                return self._bucket(f"{owner}/{name}")
            case _, ("api", "datasets", owner, name, *rest):
                operation, arguments = (rest[0], rest[1:]) if rest else ("", [])
                repo = self._repo(f"{owner}/{name}", caller)
                return self._operation(incoming, operation)(repo, arguments, incoming, caller)
            case "POST", ("datasets", owner, name, "info", "lfs", "objects", what):
                repo = self._repo(f"{owner}/{name.removesuffix('.git')}", caller)
                return self.files.lfs(repo, what, incoming, caller)
            case (("GET" | "HEAD"), ("datasets", owner, name, "resolve", revision, *path)):
                repo = self._repo(f"{owner}/{name}", caller)
                return self.files.resolve(repo, revision, "/".join(path), incoming)
            case "GET", ("api", "datasets", _):  # without an owner, as a few old ones are named
                raise Refusal(404, "Repository not found", "RepoNotFound")
        raise Refusal(404, f"There is nothing at {incoming.path}")

    def _operation(self, incoming: Incoming, name: str) -> Callable[..., Reply]:
        known: dict[tuple[str, str], Callable[..., Reply]] = {
            ("GET", ""): _info, ("GET", "revision"): _info, ("PUT", "settings"): _settings,
            ("GET", "tree"): self.files.tree, ("POST", "preupload"): self.files.preupload,
            ("POST", "commit"): self.files.commit,
            ("GET", "xet-write-token"): self.files.xet_credentials,
        }  # fmt: skip
        if (incoming.method, name) not in known:
            raise Refusal(404, f"There is nothing at {incoming.path}")
        return known[incoming.method, name]

    def _bucket(self, id: str) -> Reply:
        if id not in self.buckets:
            raise Refusal(404, "Bucket not found", "RepoNotFound")
        made = "2026-01-01T00:00:00.000Z"
        known = {"id": id, "private": self.buckets[id], "createdAt": made}
        return Reply.json({**known, "size": 0, "totalFiles": 0})

    def _organisation(self, name: str) -> Reply:
        members = [user for user, account in self.users.items() if name in account.orgs]
        return Reply.json({"name": name, "fullname": name, "numUsers": len(members)})

    def _repo(self, repo_id: str, caller: Caller) -> Repo:
        """A repository that the caller sees.

        Raises:
            Refusal: It is not there, or not theirs to know of: 404, or 401 for nobody. Of a 401 at
                an address that begins with `https://` the client itself says that the repository is
                not found; ours begins with `http://`, so that the code has to say so.
        """
        repo = self.repos.get(repo_id)
        if repo is not None and repo.seen_by(caller):
            return repo
        if caller.name is None:
            raise Refusal(401, "Invalid username or password.", "RepoNotFound")
        raise Refusal(404, "Repository not found", "RepoNotFound")

    def _create(self, wanted: dict[str, Any], caller: Caller) -> Reply:
        if caller.name is None:
            raise Refusal(401, "Invalid username or password.")
        owner = wanted.get("organization") or caller.name
        if caller.role != "write" or not caller.belongs_to(owner):
            raise Refusal(
                403, f'You don\'t have the rights to create a dataset under the namespace "{owner}"'
            )
        repo_id = f"{owner}/{wanted['name']}"
        url = f"{self.url}/datasets/{repo_id}"
        if repo_id in self.repos:
            error = f"You already created this dataset repo: {repo_id}"
            return Reply.json({"error": error, "url": url}, 409)
        self.repos[repo_id] = Repo(repo_id, bool(_private(wanted)))
        return Reply.json({"url": url, "name": repo_id})


def _whoami(caller: Caller) -> Reply:
    if caller.name is None:
        raise Refusal(401, "Invalid username or password.")
    orgs = [
        {"type": "org", "name": org, "fullname": org, "roleInOrg": "write"} for org in caller.orgs
    ]
    token = {"displayName": f"{caller.name}'s", "role": caller.role}
    auth = {"type": "access_token", "accessToken": token}
    user = {"type": "user", "name": caller.name, "fullname": caller.name}
    return Reply.json({**user, "orgs": orgs, "auth": auth})


def _settings(repo: Repo, _: list[str], incoming: Incoming, caller: Caller) -> Reply:
    check_writable(repo, caller)
    wanted = incoming.json()
    private = _private(wanted)
    if private is not None:
        repo.private = private
    repo.gated = wanted.get("gated", repo.gated)
    return Reply.json({"private": repo.private, "gated": repo.gated})


def _info(repo: Repo, rest: list[str], _: Incoming, __: Caller) -> Reply:
    commit = found(repo, rest[0] if rest else "main")
    return Reply.json(
        {
            "_id": repo.id, "id": repo.id, "author": repo.owner, "sha": commit.sha,
            "private": repo.private, "gated": repo.gated, "disabled": False,
            "downloads": 0, "likes": 0, "tags": [],
            "siblings": [{"rfilename": path} for path in commit.files],
        }
    )  # fmt: skip


def _private(wanted: dict[str, Any]) -> bool | None:
    """What a request says about who sees a repository; clients before 1.0 said it by `private`."""
    if "visibility" in wanted:
        return bool(wanted["visibility"] == "private")
    return wanted.get("private")
