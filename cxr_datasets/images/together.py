"""Several stored images read and used at once, wherever they are."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from io import BytesIO
from typing import Any, TypeAlias, TypeVar

from cxr_datasets import limits
from cxr_datasets.errors import ImageError, StoreError
from cxr_datasets.images.column import stored_file
from cxr_datasets.images.faults import address_of, image_fault
from cxr_datasets.storage.ahead import in_order
from cxr_datasets.storage.by_address import place_of

_R = TypeVar("_R")

Use: TypeAlias = Callable[[Any], _R]
"""Gets the path of a file, or its bytes as a `BytesIO`, and makes something of it."""


def use_file(image: Mapping[str, Any], use: Use[_R]) -> _R:
    """Use a stored image.

    Args:
        image: `{"bytes": ..., "path": ...}` as stored; the bytes may be a buffer of Arrow.
        use: Opens it.

    Raises:
        ImageError: The file is absent, damaged, or beyond a limit.
        StoreError: It is remote, and its store refuses it or failed again and again.
    """
    return _used(image, lambda: use(stored_file(image)))


def use_files(images: Sequence[Mapping[str, Any]], uses: Sequence[Use[_R]]) -> list[_R]:
    """Use several stored images, in a thread for each core that is this process's share.

    Those in a remote place are asked for side by side, as many at once as the place has
    connections, so that a batch takes as long as its slowest answers and not as all of them.

    Args:
        images: As for `use_file`.
        uses: What opens each; called in threads.

    Returns:
        What came of each, in order.

    Raises:
        ImageError: The first of them that is absent, damaged, or beyond a limit.
        StoreError: One is remote, and its store refuses it or failed again and again.
    """
    threads = min(share_of_cores(), len(images))
    pairs = zip(images, uses, strict=True)
    if threads <= 1 and not any(map(_is_elsewhere, images)):
        return [use_file(image, use) for image, use in pairs]
    with ThreadPoolExecutor(threads, thread_name_prefix="cxr-decode") as pool:
        begun = in_order(lambda pair: _begin(*pair, pool), pairs, len(images))
        with closing(begun) as results:
            return [result.result() for result in results]


def share_of_cores() -> int:
    """How many threads may compute here: all cores, or in a `DataLoader`'s worker its share."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    worker = worker_of_loader()
    return max(1, (cores or 1) // (worker.num_workers if worker else 1))


def worker_of_loader() -> Any:
    """What torch tells of the `DataLoader`'s worker that this process is; None if it is none."""
    torch_data = sys.modules.get("torch.utils.data")  # not imported: then it is no such worker
    return torch_data.get_worker_info() if torch_data else None


def _begin(image: Mapping[str, Any], use: Use[_R], pool: Executor) -> Future[_R]:
    if not _is_elsewhere(image):
        return pool.submit(use_file, image, use)
    place, path = _used(image, lambda: place_of(image["path"]))
    return place.begin(
        path,
        pool,
        lambda read: _used(image, lambda: use(BytesIO(read()))),
        limits.LARGEST_IMAGE,
    )


def _is_elsewhere(image: Mapping[str, Any]) -> bool:
    """Whether only the address of an image is stored, and it is no path of this machine."""
    return image.get("bytes") is None and "://" in (image.get("path") or "")


def _used(image: Mapping[str, Any], use: Callable[[], _R]) -> _R:
    try:
        return use()
    except (StoreError, MemoryError):
        raise
    except Exception as error:  # Pillow, zlib and zipfile each have errors of their own
        raise ImageError(image_fault(address_of(dict(image)), error)) from error
