"""Looking for a release near a folder that was given by mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from cxr_datasets.storage.source import Source

_LEVELS_ABOVE = 4
_FOLDERS_LOOKED_INTO = 16


def release_nearby(
    source: Source, is_release: Callable[[Source], bool], known: Iterable[str] = ()
) -> str:
    """Say where the tables are, if they are near; empty if they are not.

    Args:
        source: The folder that was given.
        is_release: Whether a folder holds the tables.
        known: Folders below it in which they may be.
    """
    above = ("/".join([".."] * level) for level in range(1, _LEVELS_ABOVE + 1))
    for path in above:
        place = source.folder(path)
        if is_release(place):
            return f"The folder above it, {place.shown()}, holds the tables: pass that."
    below = release_below(source, is_release, known)
    return f"The tables are in {below.shown()}: pass that." if below else ""


def release_below(
    source: Source, is_release: Callable[[Source], bool], known: Iterable[str] = ()
) -> Source | None:
    """Give the folder below a place that holds the tables; None if they are not found.

    Args:
        source: The place.
        is_release: Whether a folder holds the tables.
        known: Folders below it in which they may be.
    """
    for path in (*known, *_folders(source)):
        place = source.folder(path)
        if is_release(place):
            return place
    return None


def _folders(source: Source) -> Iterator[str]:
    """Folders at the top of a place; not many are looked into."""
    if not source.is_remote:
        folders = (name for name in source.some_names() if source.is_folder(name))
        yield from list(folders)[:_FOLDERS_LOOKED_INTO]
