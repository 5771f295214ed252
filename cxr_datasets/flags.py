"""Whether a value is True or False, as every option must be that switches something."""

from __future__ import annotations

from cxr_datasets.errors import OptionError


def check_flags(**given: object) -> None:
    """Require that options are True or False: the text `no` would count as True.

    Args:
        given: Name of an option -> its value.

    Raises:
        OptionError: One is anything else.
    """
    for name, value in given.items():
        if not isinstance(value, bool):
            raise OptionError.unknown(name, value, (True, False))
