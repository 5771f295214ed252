"""The routes of the loopback Hub, and what it answers about accounts and repositories."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.fakes.hub_files import Files, check_open, check_writable, found
from tests.fakes.hub_server import Incoming, Refusal, Reply
from tests.fakes.hub_store import Blob, Caller, Commit, Repo


@dataclass(frozen=True)
class Account:
    """A user of the Hub.

    Attributes:
        token: The access token. Like a real one it should begin with `hf_`.
        role: What the token may do: `write`, or only `read`.
        orgs: Organisations that the user is a member of, with the right to write.
        read_token: A second token of the user's, that may only read.
    """

    token: str
    role: str = "write"
    orgs: tuple[str, ...] = ()
    read_token: str | None = None


@dataclass
class Api:
    """Answers requests, one at a time.

    Attributes:
        url: Address of the Hub.
        users: Accounts by name.
        files: Answers what is about files.
        private_by_default: Organisations whose new repositories are private unless asked otherwise.
        repos: Repositories by id.
    """

    url: str
    users: dict[str, Account]
    files: Files
    private_by_default: tuple[str, ...] = ()
    repos: dict[str, Repo] = field(default_factory=dict)

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
                return Caller(name, account.role, account.orgs)
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
                return self._whoami(caller)
            case "POST", ("api", "validate-yaml"):
                return _validate_yaml(incoming.json()["content"])
            case "POST", ("api", "repos", "create"):
                return self._create(incoming.json(), caller)
            case "DELETE", ("api", "repos", "delete"):
                return self._delete(incoming.json(), caller)
            case "GET", ("api", "organizations", name, *what):
                return self._organisation(name, "/".join(what), caller)
            case _, ("api", "datasets", owner, name, *rest):
                operation, arguments = (rest[0], rest[1:]) if rest else ("", [])
                repo = self._repo(f"{owner}/{name}", caller)
                return self._operation(incoming, operation)(repo, arguments, incoming, caller)
            case "POST", ("datasets", owner, name, "info", "lfs", "objects", what):
                repo = self._repo(f"{owner}/{name.removesuffix('.git')}", caller)
                return self.files.lfs(repo, what, incoming, caller)
            case (("GET" | "HEAD"), ("datasets", owner, name, "resolve", revision, *path)):
                repo = self._repo(f"{owner}/{name}", caller)
                return self.files.resolve(repo, revision, "/".join(path), incoming, caller)
        raise Refusal(404, f"There is nothing at {incoming.path}")

    def _operation(self, incoming: Incoming, name: str) -> Callable[..., Reply]:
        known: dict[tuple[str, str], Callable[..., Reply]] = {
            ("GET", ""): self._info, ("GET", "revision"): self._info,
            ("GET", "refs"): self._refs, ("GET", "commits"): self._commits,
            ("GET", "auth-check"): self._auth_check, ("PUT", "settings"): self._settings,
            ("POST", "branch"): self._branch, ("DELETE", "branch"): self._drop_branch,
            ("POST", "tag"): self._tag, ("GET", "tree"): self.files.tree,
            ("POST", "paths-info"): self.files.paths_info,
            ("POST", "preupload"): self.files.preupload, ("POST", "commit"): self.files.commit,
            ("GET", "xet-write-token"): self.files.xet_credentials,
        }  # fmt: skip
        try:
            return known[incoming.method, name]
        except KeyError:
            raise Refusal(404, f"There is nothing at {incoming.path}") from None

    # Accounts

    def _whoami(self, caller: Caller) -> Reply:
        if caller.name is None:
            raise Refusal(401, "Invalid username or password.")
        orgs = [
            {"type": "org", "name": org, "fullname": org, "roleInOrg": "write"}
            for org in caller.orgs
        ]
        token = {"displayName": f"{caller.name}'s", "role": caller.role}
        auth = {"type": "access_token", "accessToken": token}
        return Reply.json(
            {
                "type": "user",
                "name": caller.name,
                "fullname": caller.name,
                "orgs": orgs,
                "auth": auth,
            }
        )

    def _organisation(self, name: str, what: str, caller: Caller) -> Reply:
        members = [user for user, account in self.users.items() if name in account.orgs]
        if not members:
            raise Refusal(404, f"There is no organisation {name}")
        if what == "overview":
            return Reply.json({"name": name, "fullname": name, "numUsers": len(members)})
        if what == "members":
            return Reply.json([{"user": user, "fullname": user} for user in members])
        if what == "settings/repositories" and name in caller.orgs:
            owned = [repo for repo in self.repos.values() if repo.owner == name]
            return Reply.json([_storage_info(repo) for repo in owned])
        raise Refusal(403 if what.startswith("settings") else 404, f"Not for {caller.name}: {what}")

    # Repositories

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
        if wanted.get("type") != "dataset":
            raise Refusal(400, "This Hub holds datasets only")
        if caller.role != "write" or not caller.belongs_to(owner):
            raise Refusal(
                403, f'You don\'t have the rights to create a dataset under the namespace "{owner}"'
            )
        repo_id = f"{owner}/{wanted['name']}"
        url = f"{self.url}/datasets/{repo_id}"
        if repo_id in self.repos:
            error = f"You already created this dataset repo: {repo_id}"
            return Reply.json({"error": error, "url": url}, 409)
        private = _private(wanted)
        if private is None:
            private = owner in self.private_by_default
        self.repos[repo_id] = Repo(repo_id, self.files.storage.contents, caller.name, private)
        return Reply.json({"url": url, "name": repo_id})

    def _delete(self, wanted: dict[str, Any], caller: Caller) -> Reply:
        repo = self._repo(f"{wanted.get('organization') or caller.name}/{wanted['name']}", caller)
        check_writable(repo, caller)
        del self.repos[repo.id]
        return Reply()

    def _settings(self, repo: Repo, _: list[str], incoming: Incoming, caller: Caller) -> Reply:
        check_writable(repo, caller)
        wanted = incoming.json()
        private = _private(wanted)
        if private is not None:
            repo.private = private
        repo.gated = wanted.get("gated", repo.gated)
        return Reply.json({"private": repo.private, "gated": repo.gated})

    def _auth_check(self, repo: Repo, rest: list[str], _: Incoming, caller: Caller) -> Reply:
        if rest == ["write"]:
            check_writable(repo, caller)
        check_open(repo, caller)
        return Reply()

    def _info(self, repo: Repo, rest: list[str], incoming: Incoming, _: Caller) -> Reply:
        commit = found(repo, rest[0] if rest else "main")
        info: dict[str, Any] = {
            "_id": repo.id, "id": repo.id, "author": repo.owner, "sha": commit.sha,
            "lastModified": commit.date, "createdAt": repo.commits[0].date,
            "private": repo.private, "gated": repo.gated, "disabled": False,
            "downloads": 0, "likes": 0, "tags": [], "cardData": self._card_data(commit),
            "usedStorage": sum(blob.size for blob in commit.files.values()),
            "siblings": [
                _sibling(path, blob, incoming.flag("blobs")) for path, blob in commit.files.items()
            ],
        }  # fmt: skip
        if "expand" in incoming.query:
            info = {key: info.get(key) for key in ("_id", "id", *incoming.query["expand"])}
        return Reply.json(info)

    def _card_data(self, commit: Commit) -> Any:
        card = commit.files.get("README.md")
        if card is None:
            return None
        try:
            return _front_matter(self.files.storage.contents.get(card.sha256).decode())
        except yaml.YAMLError:
            return None

    def _refs(self, repo: Repo, *_: Any) -> Reply:
        def refs(kind: str, shas: dict[str, str]) -> list[dict[str, str]]:
            return [
                {"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": sha}
                for name, sha in shas.items()
            ]

        branches = {name: history[-1].sha for name, history in repo.branches.items()}
        return Reply.json(
            {"branches": refs("heads", branches), "tags": refs("tags", repo.tags), "converts": []}
        )

    def _branch(self, repo: Repo, rest: list[str], incoming: Incoming, caller: Caller) -> Reply:
        check_writable(repo, caller)
        if rest[0] in repo.branches:
            raise Refusal(409, f"Reference {rest[0]} already exists")
        start = found(repo, incoming.json().get("startingPoint", "main"))
        history = next(commits for commits in repo.branches.values() if start in commits)
        repo.branches[rest[0]] = history[: history.index(start) + 1]
        return Reply()

    def _drop_branch(self, repo: Repo, rest: list[str], _: Incoming, caller: Caller) -> Reply:
        check_writable(repo, caller)
        if rest[0] == "main" or repo.branches.pop(rest[0], None) is None:
            raise Refusal(403, f"Cannot delete the branch {rest[0]}")
        return Reply()

    def _tag(self, repo: Repo, rest: list[str], incoming: Incoming, caller: Caller) -> Reply:
        check_writable(repo, caller)
        name = incoming.json()["tag"]
        if name in repo.tags:
            raise Refusal(409, f"Tag {name} already exists")
        repo.tags[name] = found(repo, rest[0]).sha
        return Reply()

    def _commits(self, repo: Repo, rest: list[str], *_: Any) -> Reply:
        last = found(repo, rest[0])
        history = next(commits for commits in repo.branches.values() if last in commits)
        shown = [
            {"id": commit.sha, "title": commit.title, "message": commit.message,
             "date": commit.date, "authors": [{"user": commit.author}]}
            for commit in reversed(history[: history.index(last) + 1])
        ]  # fmt: skip
        return Reply.json(shown)


def _private(wanted: dict[str, Any]) -> bool | None:
    """What a request says about who sees a repository; clients before 1.0 said it by `private`."""
    if "visibility" in wanted:
        return bool(wanted["visibility"] == "private")
    return wanted.get("private")


def _sibling(path: str, blob: Blob, details: bool) -> dict[str, Any]:
    sibling: dict[str, Any] = {"rfilename": path}
    if details:
        described = blob.describe(path)
        sibling |= {"size": blob.size, "blobId": blob.oid}
        if blob.lfs:
            sibling["lfs"] = described["lfs"] | {"sha256": blob.sha256}
    return sibling


def _storage_info(repo: Repo) -> dict[str, Any]:
    head = repo.commits[-1]
    visibility = "private" if repo.private else "public"
    return {
        "id": repo.id, "type": "dataset", "updatedAt": head.date, "visibility": visibility,
        "storage": sum(blob.size for blob in head.files.values()),
    }  # fmt: skip


def _front_matter(card: str) -> Any:
    match = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", card, re.DOTALL)
    return None if match is None else yaml.safe_load(match[1])


def _validate_yaml(card: str) -> Reply:
    try:
        data = _front_matter(card)
    except yaml.YAMLError as error:
        return Reply.json({"errors": [{"message": f"bad YAML: {error}"}], "warnings": []}, 400)
    if data is not None and not isinstance(data, dict):
        return Reply.json({"errors": [{"message": "metadata is not a map"}], "warnings": []}, 400)
    warnings = [] if data else [{"message": "empty or missing yaml metadata in repo card"}]
    return Reply.json({"errors": [], "warnings": warnings})
