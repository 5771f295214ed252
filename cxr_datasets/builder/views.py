"""The option `views`: which images to keep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.columns import VIEWS
from cxr_datasets.errors import OptionError


def check_views(views: str | Iterable[str], raw: Sequence[str]) -> list[str]:
    """Check the option's value.

    Args:
        views: One name or several: normalised ones, or the release's own.
        raw: The release's own names of views.

    Returns:
        The names without repetition, in the order of `VIEWS` and `raw`.

    Raises:
        OptionError: A name is neither, or there is none.
    """
    asked = [views] if isinstance(views, str) else list(views)
    known = (*VIEWS, *raw)
    for view in asked:
        if view not in known:
            raise OptionError.unknown("views", view, known)
    if not asked:
        raise OptionError(f"views is empty. Leave it out for all, or choose from {known}.")
    return [view for view in known if view in asked]


def keep_views(view: pa.Array, raw: pa.Array | None, wanted: Sequence[str]) -> pa.Array:
    """Mark the images of the wanted views.

    Args:
        view: Normalised view of each image, as positions in `VIEWS`.
        raw: The release's own name of it, or None if the release has none.
        wanted: Names as `check_views` returns them.

    Returns:
        Boolean array.
    """
    positions = [VIEWS.index(name) for name in wanted if name in VIEWS]
    kept = pc.is_in(view, value_set=pa.array(positions, view.type))
    if raw is not None:
        kept = pc.or_(kept, pc.is_in(raw, value_set=pa.array(list(wanted), pa.string())))
    return kept
