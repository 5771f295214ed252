"""Replace an attribute of another library once, however often it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_MARK = "__cxr_hook__"


def replace_once(owner: Any, name: str, change: Callable[[Any], Any]) -> None:
    """Replace a function of a class or module by one that is made of it.

    Args:
        owner: The class or module. One without such an attribute, as in some versions, stays.
        name: The attribute.
        change: Makes the new function of the one that is there. Another call with the same one
            changes nothing.
    """
    original = getattr(owner, name, None)
    hooks = getattr(original, _MARK, ())
    if original is None or change in hooks:
        return
    changed = change(original)
    setattr(changed, _MARK, (*hooks, change))
    setattr(owner, name, changed)
