"""A repository that holds an export, or is about to, must be private."""

from __future__ import annotations

from cxr_datasets.errors import HubError
from cxr_datasets.push.contents import Contents
from cxr_datasets.push.repository import Repository, State


def check_private_before(contents: Contents, there: Repository, state: State) -> None:
    """Require that a repository is private before anything is sent.

    Args:
        contents: What is sent.
        there: The repository.
        state: Who can see it.

    Raises:
        HubError: It is public, gated or not.
    """
    if not state.private:
        raise HubError(_refusal(contents, there, state, _arrived(contents, there)))


def _refusal(contents: Contents, there: Repository, state: State, arrived: int) -> str:
    if arrived:
        now = (
            f"It holds {arrived:,} files of this export already, FOR ANYBODY TO READ: set it to "
            f"private NOW at {there.url}/settings, or delete it. {_breach(contents)}"
        )
    else:
        now = (
            f"Set it to private at {there.url}/settings, or name one that is not there yet, which "
            "is then made private."
        )
    return (
        f"{there.name} is {state}, and an export goes to private repositories only. Nothing was "
        f"sent. {now}"
    )


def check_still_private(
    contents: Contents, there: Repository, after: HubError | None = None
) -> None:
    """Require that a private repository still is private, and set it private again if not.

    Args:
        contents: What is sent.
        there: The repository.
        after: The error that ended the upload, if one did. Then a Hub that does not answer is
            not reported again.

    Raises:
        HubError: The repository was made public, or is gone.
    """
    try:
        state = there.look()
    except HubError:
        if after is not None:
            return
        raise
    if state is None and after is None:
        raise HubError(
            f"{there.name} is gone: somebody removed it, or this token's right to see it. What was "
            "sent may still be there for others: look for it before you push again."
        )
    if state is not None and not state.private:
        raise HubError(_exposure(contents, there, state)) from after


def _exposure(contents: Contents, there: Repository, state: State) -> str:
    try:
        there.close()
        again = there.look()
        closed, why = again is not None and again.private, ""
    except HubError as error:
        closed, why = False, f" ({error})"
    return (
        f"{there.name} WAS MADE PUBLIC meanwhile: it was private before, then "
        f"{state}{_holding(contents, there)}. Nothing more was sent. "
        + (
            "It has been set private again. "
            if closed
            else f"It could NOT be set private again{why}: do it yourself NOW at "
            f"{there.url}/settings, or delete it. "
        )
        + f"Find out who changed it and why. {_breach(contents)}"
    )


def _holding(contents: Contents, there: Repository) -> str:
    try:
        return f", with {_arrived(contents, there):,} files of this export in it"
    except HubError:
        return ""


def _arrived(contents: Contents, there: Repository) -> int:
    """Count the files with rows that are in the repository."""
    present = there.files()
    return sum(file.is_data and file.is_(present.get(file.name)) for file in contents.files)


def _breach(contents: Contents) -> str:
    if not contents.agreement:
        return "What was public may have been copied."
    return (
        f"What was public may have been copied, and {contents.agreement} forbids sharing it: tell "
        "those who gave you the data at once."
    )
