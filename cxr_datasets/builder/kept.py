"""Options `cache` and `cache_folder`: images of remote copies that stay on a disk once fetched."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets

from cxr_datasets import wording
from cxr_datasets.builder.places import ImagePlace
from cxr_datasets.errors import OptionError
from cxr_datasets.images.whole import check_whole
from cxr_datasets.limits import size_in_bytes
from cxr_datasets.storage.addresses import check_open, is_remote, normalised, shown
from cxr_datasets.storage.kept import kept
from cxr_datasets.storage.kept_files import KeptFiles
from cxr_datasets.storage.kept_folder import addresses_of, folder_fault, private_folder
from cxr_datasets.storage.remote import Remote
from cxr_datasets.wording import get_logger

if TYPE_CHECKING:
    from cxr_datasets.builder.config import CxrConfig

FOLDER = "cxr_images"
"""Folder in the cache of `datasets`, or in `cache_folder`, that holds all that is kept."""

_logger = get_logger(__name__)


def check_options(cache: Any, cache_folder: Any) -> tuple[int | None, str | None]:
    """Check the values of both options.

    Returns:
        Bytes that may be kept, and the folder; None where nothing is given.

    Raises:
        OptionError: One is wrong.
    """
    if cache is not None:
        cache = size_in_bytes("cache", cache)
    if cache_folder is None:
        return cache, None
    if cache is None:
        raise OptionError(
            f"cache_folder={cache_folder!r} needs cache, which says how much may be kept there, "
            'such as cache="200GB".'
        )
    check_open("cache_folder", cache_folder)
    folder = normalised(os.fspath(cache_folder))
    if is_remote(folder):
        raise OptionError(
            f"cache_folder={shown(folder)} is not on a disk of this machine. Give a local folder."
        )
    return cache, folder


def keeping(place: ImagePlace, config: CxrConfig, usual: str) -> ImagePlace:
    """Let images stay on a disk once they were fetched, if the options ask for it.

    Args:
        place: Where they are. It was looked at.
        config: The options, checked.
        usual: The cache of `datasets`.

    Raises:
        CacheError: The folder cannot be used.
    """
    source = place.source
    if config.cache is None:
        return place
    if not isinstance(source, Remote):
        _logger.warning(
            "cache= keeps nothing: the images are on a disk of this machine, in %s", source.shown()
        )
        return place
    folder = private_folder(os.path.join(config.cache_folder or usual, FOLDER))
    files = KeptFiles(folder, int(config.cache))
    return replace(place, source=kept(source, files, check_whole))


def tell_of_bytes(config: CxrConfig, is_remote: bool, embeds: bool) -> None:
    """Say in one line if a build stores the bytes of all images that are kept beside it, too.

    Args:
        config: The options.
        is_remote: Whether the images are in a store.
        embeds: Whether the built dataset holds their bytes.
    """
    if config.cache is not None and config.name != "reports" and is_remote and embeds:
        _logger.warning(
            "cache= is of no use to this build, which fetches all images once and stores their "
            "bytes itself. Leave it out; or load with embed=False, without image_size, so that "
            "images are fetched when they are read"
        )


def usual_folder(cache_dir: str | None = None) -> str:
    """The cache of `datasets`, beside which images are kept where no folder is given."""
    return str(Path(cache_dir or datasets.config.HF_DATASETS_CACHE).expanduser().absolute())


@dataclass(frozen=True)
class KeptPlace:
    """What is kept of one place.

    Attributes:
        address: The place, without secrets.
        files: Number of files.
        size: Their bytes.
    """

    address: str
    files: int
    size: int


def kept_images(cache_folder: str | os.PathLike[str] | None = None) -> list[KeptPlace]:
    """Tell which images of remote copies are kept on a disk of this machine.

    Args:
        cache_folder: As it was given when they were loaded; None: the cache of `datasets`.

    Returns:
        What is kept of each place; nothing if the folder is not there.

    Raises:
        CacheError: The folder is another user's, or cannot be used.
    """
    folder = _folder(cache_folder)
    if not os.path.isdir(folder):
        return []
    folder = private_folder(folder)
    usage = KeptFiles(folder, 0).usage()
    known = addresses_of(folder)
    places = [KeptPlace(known[name], *usage.get(name, (0, 0))) for name in known]
    return sorted(places, key=lambda place: place.address)


def clear_kept_images(cache_folder: str | os.PathLike[str] | None = None) -> None:
    """Remove all images that are kept. What reads them meanwhile fetches them again.

    Args:
        cache_folder: As for `kept_images`.

    Raises:
        CacheError: The folder is another user's, or cannot be used.
    """
    folder = _folder(cache_folder)
    if not os.path.isdir(folder):
        return
    try:
        KeptFiles(private_folder(folder), 0).clear()
    except OSError as error:
        raise folder_fault(folder, wording.said(error)) from error


def _folder(cache_folder: str | os.PathLike[str] | None) -> str:
    _, folder = check_options(1, cache_folder)
    return os.path.join(folder or usual_folder(), FOLDER)
