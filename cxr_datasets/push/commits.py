"""Send an export, commit by commit: each is looked after before it, and made on what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cxr_datasets.errors import HubError
from cxr_datasets.export.folder import Folder
from cxr_datasets.export.line import Line
from cxr_datasets.export.proof import wrong_files
from cxr_datasets.push.contents import Contents, File, Stored
from cxr_datasets.push.others import check_only_ours
from cxr_datasets.push.privacy import check_still_private
from cxr_datasets.push.repository import Repository
from cxr_datasets.storage.retry import Patience, retried


def send_files(
    contents: Contents,
    there: Repository,
    present: Mapping[str, Stored],
    seen: str | None,
    message: str,
) -> int:
    """Send the files that the repository lacks.

    Args:
        contents: What is sent.
        there: The repository.
        present: Its files by name.
        seen: The commit at which they were seen.
        message: Title of the commits.

    Returns:
        Number of files sent.

    Raises:
        HubError: A file is not as it was exported; the repository is not private any more; others
            go on writing into it; or the Hub refuses the files.
    """
    batches = contents.batches(present)
    try:
        for number, batch in enumerate(batches, 1):
            part = f" ({number} of {len(batches)})" if len(batches) > 1 else ""
            seen = _commit(contents, there, batch, seen, message + part)
    except HubError as error:
        # Whatever ended the upload, what has arrived must not be public.
        check_still_private(contents, there, error)
        raise
    check_still_private(contents, there)
    return sum(map(len, batches))


def _commit(
    contents: Contents, there: Repository, batch: Sequence[File], seen: str | None, message: str
) -> str:
    """Send some files in one commit; give its name.

    If somebody else's commit came in between, look at what it brought and try again.
    """
    _check_unchanged(contents, batch)

    def send() -> str:
        nonlocal seen
        check_still_private(contents, there)
        if seen is None:
            seen = _look_again(contents, there)
        try:
            return there.upload(contents.folder, [file.name for file in batch], message, seen)
        except HubError as error:
            if error.conflict:
                seen = None
            raise

    return retried(send, lambda error, _: error, Patience(passes=_is_conflict))


def _is_conflict(error: Exception) -> bool:
    return isinstance(error, HubError) and error.conflict


def _look_again(contents: Contents, there: Repository) -> str | None:
    state = there.look()
    check_only_ours(contents, there, there.files())
    return state.commit if state else None


def _check_unchanged(contents: Contents, batch: Sequence[File]) -> None:
    """Require that files hold the bytes that the export noted, before they are sent."""
    lines = [
        Line(name=file.name, rows=0, bytes=file.size, memory=0, sha256=file.sha256)
        for file in batch
    ]
    wrong = wrong_files(Folder(contents.folder), lines)
    if wrong:
        (name, fault), *more = wrong.items()
        raise HubError(
            f"{contents.folder}/{name} {fault}"
            f"{f', and {len(more):,} more files are not as written' if more else ''}. It was not "
            "sent. Run the `cxr export` command of this folder again with --verify, which finds "
            "all such files and writes them anew, and then push again."
        )
