"""Which datasets there are: those that installed packages announce."""

from __future__ import annotations

from importlib.metadata import entry_points

from cxr_datasets.errors import OptionError

_GROUP = "cxr_datasets"


def known_datasets() -> dict[str, str]:
    """Name -> package of every dataset, by name; nothing is imported to find out."""
    points = sorted(entry_points(group=_GROUP), key=lambda point: point.name)
    return {point.name: point.value for point in points}


def package_of(dataset: str) -> str:
    """The package of a dataset.

    Args:
        dataset: Its name, such as `mimic-cxr-jpg`; `-` and `_` are the same.

    Raises:
        OptionError: There is no such dataset.
    """
    known = known_datasets()
    name = str(dataset).replace("_", "-")
    if name not in known:
        raise OptionError.unknown("dataset", dataset, known)
    return known[name]
