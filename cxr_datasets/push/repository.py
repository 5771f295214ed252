"""A dataset repository on the Hub, and who can read it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile

from cxr_datasets.errors import HubError, OptionError
from cxr_datasets.push.asking import TOKENS, ask
from cxr_datasets.push.contents import Stored

_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class State:
    """Who can see a repository.

    Attributes:
        id: Its name now; the address of a renamed repository leads to the new one.
        private: Whether only its owner, or the members of the organization that owns it, can.
        gated: How a public repository gives out its files: `auto`, `manual`, or False: freely.
        commit: Name of its newest commit.
    """

    id: str
    private: bool
    gated: str | bool
    commit: str | None = None

    def __str__(self) -> str:
        if self.private:
            return "private"
        return f"public, with gated access ({self.gated})" if self.gated else "public"


class Repository:
    """A dataset repository, seen with the token that `huggingface_hub` finds.

    Attributes:
        name: `user/repo`.
        owner: The user or organization it belongs to.
        url: Its page.
    """

    def __init__(self, name: str):
        """Take a name, without asking the Hub.

        Raises:
            OptionError: It is not the name of a repository.
        """
        if not _ID.fullmatch(name):
            raise OptionError(
                f"repo={name!r} is not the name of a repository. Give it as user/name or "
                "organization/name."
            )
        self.name = name
        self.owner = name.partition("/")[0]
        # True: fail without a token, even where the environment allows requests without one.
        self._api = HfApi(token=True, library_name="cxr-datasets")
        self.url = f"{self._api.endpoint}/datasets/{name}"
        self._repo: dict[str, Any] = {"repo_id": name, "repo_type": "dataset"}

    def check_account(self, organization: str | None) -> bool:
        """Check that the token may write for the owner of the repository.

        Args:
            organization: The organization that the user says owns the repository.

        Returns:
            Whether the owner is an organization.

        Raises:
            HubError: There is no token, or the Hub does not know it, or it may only read, or it
                belongs to somebody else.
            OptionError: The repository does not belong to that organization.
        """
        me = ask(self.name, "logging in", self._api.whoami)
        role = me.get("auth", {}).get("accessToken", {}).get("role")
        if role == "read":
            raise HubError(
                f"{self.name} cannot be written to: the token of {me['name']} may only read. Make "
                f"one that may write at {TOKENS}, and log in with it or set HF_TOKEN."
            )
        is_user = self.owner.lower() == me["name"].lower()
        roles = {org["name"].lower(): org.get("roleInOrg") for org in me.get("orgs", [])}
        # The Hub does not say all that a fine-grained token may do; it refuses what it may not.
        known = role == "write"
        if not is_user and known and roles.get(self.owner.lower(), "read") == "read":
            may = [me["name"], *(name for name, role in roles.items() if role != "read")]
            raise HubError(
                f"{self.name} belongs to {self.owner}, for whom {me['name']} may not write. Name a "
                f"repository of {' or '.join(may)}, or log in as somebody else."
            )
        if organization is not None and (is_user or organization.lower() != self.owner.lower()):
            raise OptionError(
                f"organization={organization!r}, but {self.name} belongs to "
                f"{'the user' if is_user else 'the organization'} {self.owner}. "
                + ("Leave the option out." if is_user else "Name that one, or another repository.")
            )
        return not is_user

    def members(self) -> int | None:
        """Count the members of the organization that owns it; None if the Hub does not say."""
        return ask(
            self.name,
            f"looking up {self.owner}",
            lambda: self._api.get_organization_overview(self.owner).num_users,
        )

    def look(self) -> State | None:
        """Ask who can see it; None if there is no such repository."""

        def look() -> State | None:
            try:
                info = self._api.dataset_info(self.name)
            except RepositoryNotFoundError:
                return None
            return State(info.id, info.private is True, info.gated or False, info.sha)

        return ask(self.name, "looking at it", look)

    def create(self) -> None:
        """Make it as a private repository, unless it exists."""
        ask(
            self.name,
            "making it",
            lambda: self._api.create_repo(**self._repo, private=True, exist_ok=True),
        )

    def close(self) -> None:
        """Set it private."""
        ask(
            self.name,
            "setting it private",
            lambda: self._api.update_repo_settings(**self._repo, private=True),
        )

    def files(self) -> dict[str, Stored]:
        """List its files by name."""

        def listed() -> dict[str, Stored]:
            return {
                entry.path: Stored(
                    entry.size, entry.lfs.sha256 if entry.lfs else None, entry.blob_id
                )
                for entry in self._api.list_repo_tree(**self._repo, recursive=True)
                if isinstance(entry, RepoFile)
            }

        return ask(self.name, "listing its files", listed)

    def read(self, name: str) -> bytes:
        """Read a small file of it."""

        def fetched() -> bytes:
            with tempfile.TemporaryDirectory(prefix="cxr-push-") as folder:
                path = self._api.hf_hub_download(**self._repo, filename=name, local_dir=folder)
                return Path(path).read_bytes()

        return ask(self.name, f"reading {name}", fetched)

    def upload(self, folder: Path, names: Sequence[str], message: str, parent: str | None) -> str:
        """Send files of a folder, except those that have arrived already, in one commit.

        Args:
            folder: The folder.
            names: Their names in it, and in the repository.
            message: Title of the commit.
            parent: The commit that must be the newest one still; None: any.

        Returns:
            Name of the commit; of the newest one if all had arrived.
        """
        done = ask(
            self.name,
            "sending files",
            lambda: self._api.upload_folder(
                **self._repo,
                folder_path=folder,
                allow_patterns=list(names),
                commit_message=message,
                parent_commit=parent,
            ),
        )
        return done.oid
