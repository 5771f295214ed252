"""`push`: send an export to a repository that is private before, during and after."""

from __future__ import annotations

import os
from dataclasses import dataclass

from cxr_datasets._version import __version__
from cxr_datasets.audit import logged
from cxr_datasets.errors import HubError
from cxr_datasets.flags import check_flags
from cxr_datasets.push.asking import without_signatures
from cxr_datasets.push.commits import send_files
from cxr_datasets.push.contents import Contents, Rows, Stored, read_contents
from cxr_datasets.push.others import check_only_ours
from cxr_datasets.push.privacy import check_private_before, check_still_private
from cxr_datasets.push.reading import load_back
from cxr_datasets.push.repository import Repository


@dataclass(frozen=True)
class PushSummary:
    """What a repository holds after a push, with what earlier runs of it sent.

    Attributes:
        repo: The repository.
        url: Its page.
        files: Number of files of the export in it.
        bytes: Bytes of these files.
        sent: Number of files that this run sent.
        rows: Rows of each split of each config.
        verified: Whether the copy was loaded back and has these rows.
        organization: The organization that owns it, all of whose members can read it; None: a
            user owns it.
        members: Number of its members; None if the Hub does not say.
    """

    repo: str
    url: str
    files: int
    bytes: int
    sent: int
    rows: Rows
    verified: bool
    organization: str | None = None
    members: int | None = None

    def __str__(self) -> str:
        configs = "; ".join(
            f"{config}: " + ", ".join(f"{split} {count:,}" for split, count in splits.items())
            for config, splits in self.rows.items()
        )
        readers = f"read by {_everyone(self.organization, self.members)}, " * bool(
            self.organization
        )
        return (
            f"{self.url}: private, {readers}{self.bytes:,} bytes in {self.files:,} files "
            f"({self.sent:,} sent now); rows {'loaded back' if self.verified else 'exported'}: "
            f"{configs}"
        )


def push(
    folder: str | os.PathLike[str],
    repo: str,
    *,
    i_have_signed_the_dua: bool = False,
    organization: str | None = None,
    commit_message: str | None = None,
    verify: bool = True,
    log: str | os.PathLike[str] | None = None,
) -> PushSummary:
    """Send a finished export to a private dataset repository on the Hugging Face Hub.

    The repository is made as a private one, or must be private already. This is checked before
    anything is sent, before every commit, and once more when the copy has been loaded back. If the
    repository became public meanwhile, nothing more is sent, it is set private again, and the error
    says so. Only what the export wrote is sent, and only if its bytes are those that were noted.
    What others wrote into the repository is not overwritten. If a push is stopped, the same call
    goes on with it: nothing that has arrived is sent twice. The token is the one that
    `huggingface_hub` finds: `HF_TOKEN`, or the one that `hf auth login` stored.

    Args:
        folder: The `out` of `export`, on a disk of this machine.
        repo: `user/name` or `organization/name`.
        i_have_signed_the_dua: Must be True for credentialed data, which may only be shared with
            people who signed the data use agreement themselves.
        organization: The organization that owns the repository. Needed for credentialed data if
            one does: all its members can read what is private in it.
        commit_message: None: names the dataset and this version.
        verify: Whether to load the copy back with `load_dataset`, in a process with empty caches,
            and compare its rows with those of the export. The sizes and sha256 of its files are
            always checked.
        log: A file to which a line of JSON is added that says who pushed what, when, to where and
            with what outcome, for audits: see `cxr_datasets.audit`.

    Returns:
        What the repository holds.

    Raises:
        OptionError: `repo` is not a name of a repository, or does not belong to `organization`.
        HubError: The folder holds no finished export; the data must not go there; the Hub refuses
            them or cannot be reached; the copy differs from what was sent.
    """
    places = {"folder": folder, "repo": f"hf://datasets/{repo}"}
    told = {  # not the message, which may hold anything
        "i_have_signed_the_dua": i_have_signed_the_dua, "organization": organization,
        "verify": verify,
    }  # fmt: skip
    with logged(log, "push", places=places, options=told) as entry:
        check_flags(i_have_signed_the_dua=i_have_signed_the_dua, verify=verify)
        contents, there = read_contents(folder), Repository(repo)
        entry.counts |= {"files": len(contents.files), "bytes": contents.bytes}
        entry.manifests |= contents.manifests
        _check_signed(contents, there, i_have_signed_the_dua)
        try:
            with without_signatures():
                summary = _push(contents, there, organization, commit_message, verify)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"stopped. Run the same command again to go on, and check at {there.url} that "
                f"{repo} is private, as it was before."
            ) from None
        entry.counts["sent"] = summary.sent
        return summary


def _push(
    contents: Contents,
    there: Repository,
    organization: str | None,
    commit_message: str | None,
    verify: bool,
) -> PushSummary:
    is_organization = there.check_account(organization)
    members = None
    if is_organization and contents.agreement:
        members = _check_readers(contents, there, organization)
    present, seen = _open(contents, there)
    message = commit_message or f"{contents.dataset}, exported by cxr-datasets {__version__}"
    sent = send_files(contents, there, present, seen, message)
    _check_copy(contents, there, verify)
    if is_organization and contents.agreement:
        _check_members(contents, there, members)
    return PushSummary(
        repo=there.name,
        url=there.url,
        files=len(contents.files),
        bytes=contents.bytes,
        sent=sent,
        rows=contents.rows,
        verified=verify,
        organization=there.owner if is_organization else None,
        members=members,
    )


def _check_signed(contents: Contents, there: Repository, signed: bool) -> None:
    if contents.agreement and signed is not True:
        raise HubError(
            f"{contents.folder} holds {contents.dataset}, which is credentialed: it may only be "
            "shared with people who signed its data use agreement themselves, "
            f"{contents.agreement}. Nothing was sent. If you and everyone who can read "
            f"{there.name} have signed it, say so with --i-have-signed-the-dua "
            "(i_have_signed_the_dua=True)."
        )


def _check_readers(contents: Contents, there: Repository, named: str | None) -> int | None:
    """Require that the owning organization was named; gives the number of its members."""
    members = there.members()
    if named is None:
        raise HubError(
            f"{there.name} belongs to an organization: {_everyone(there.owner, members)}, can read "
            f"what is private in it, and {contents.dataset} may only be shared with people who "
            f"signed {contents.agreement}. Nothing was sent. If all of them have, name it: "
            f"--organization {there.owner} (organization={there.owner!r})."
        )
    return members


def _check_members(contents: Contents, there: Repository, before: int | None) -> None:
    members = there.members()
    if members != before:
        raise HubError(
            f"{there.owner} had {_counted(before)} when the upload to {there.name} began and has "
            f"{_counted(members)} now, all of whom can read it. Make sure that everyone has signed "
            f"{contents.agreement}, and run the command again: nothing is sent twice."
        )


def _open(contents: Contents, there: Repository) -> tuple[dict[str, Stored], str | None]:
    """Make the repository, or require that the existing one may take the export.

    Returns:
        Its files by name, and the commit at which it was looked at.
    """
    state = there.look()
    if state is None:
        there.create()
        state = there.look()
    if state is None:
        raise HubError(
            f"{there.name} exists, but this token does not see it. Give the token the right to "
            "read and write it, or name another repository."
        )
    if state.id.lower() != there.name.lower():
        raise HubError(f"{there.name} has moved to {state.id}. Nothing was sent. Name that one.")
    check_private_before(contents, there, state)
    present = there.files()
    check_only_ours(contents, there, present)
    return present, state.commit


def _check_copy(contents: Contents, there: Repository, load: bool) -> None:
    """Require that the copy is whole and, after all, still private."""
    try:
        _check_arrived(contents, there)
        if load:
            _check_rows(contents, there)
    except HubError as error:
        check_still_private(contents, there, error)
        raise
    check_still_private(contents, there)


def _check_arrived(contents: Contents, there: Repository) -> None:
    present = there.files()
    for file in contents.files:
        stored = present.get(file.name)
        if file.is_not(stored):
            found = f"{stored.size:,} bytes, sha256 {stored.sha256}" if stored else "nothing"
            raise HubError(
                f"{there.name}/{file.name} differs from the exported file: expected "
                f"{file.size:,} bytes, sha256 {file.sha256}; found {found}. If the file in "
                f"{contents.folder} is damaged, remove it and run its `cxr export` "
                "command again. Then push again."
            )


def _check_rows(contents: Contents, there: Repository) -> None:
    found = load_back(there.name, list(contents.rows))
    wrong = [
        f"{config}/{split}: {_rows(expected.get(split))} exported, {_rows(splits.get(split))} "
        "loaded"
        for config, expected in contents.rows.items()
        for splits in [found.get(config, {})]
        for split in dict.fromkeys([*expected, *splits])
        if expected.get(split) != splits.get(split)
    ]
    if wrong:
        raise HubError(
            f"load_dataset({there.name!r}) does not give the rows of the export. "
            f"{'; '.join(wrong)}. Look at the files and the commits at {there.url}: somebody else "
            "may have written there meanwhile. Then push again, or to another repository."
        )


def _rows(count: int | None) -> str:
    return "none" if count is None else f"{count:,} rows"


def _everyone(organization: str | None, members: int | None) -> str:
    return f"every member of {organization}" + (f", {members:,} people" if members else "")


def _counted(members: int | None) -> str:
    return "an unknown number of members" if members is None else f"{members:,} members"
