"""Streams that do not import torch before somebody else does.

Where torch is installed, `datasets` imports it for its first stream: so that the class becomes one
of torch's, and so that workers which stay see the number of the epoch. That takes longer than to
read the tables of a release, and 60 MB. Both are done here as soon as torch is imported: until then
no loader of torch can have the stream.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any
from weakref import WeakSet

from datasets import IterableDataset, config, iterable_dataset

from cxr_datasets.hooks.replacing import replace_once

_TORCH = "torch"
_JOIN, _SHARE = (
    "_maybe_add_torch_iterable_dataset_parent_class",
    "_maybe_share_with_torch_persistent_workers",
)

_waiting: WeakSet[Any] = WeakSet()
"""Streams that were made before torch was imported."""


def leave_torch_for_later() -> None:
    """Let streams do without torch as long as nobody imports it. Again changes nothing."""
    if hasattr(iterable_dataset, _JOIN) and hasattr(iterable_dataset, _SHARE):
        replace_once(IterableDataset, "__init__", _noting)
        replace_once(IterableDataset, "__setstate__", _noting)
        replace_once(iterable_dataset, _JOIN, _once_torch_is_there)
        replace_once(iterable_dataset, _SHARE, _once_torch_is_there)


def _noting(original: Any) -> Any:
    @wraps(original)
    def begin(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if _TORCH not in sys.modules:
            _waiting.add(self)

    return begin


def _once_torch_is_there(original: Callable[[Any], Any]) -> Any:
    @wraps(original)
    def change(subject: Any) -> Any:
        if _TORCH in sys.modules or not config.TORCH_AVAILABLE:
            return original(subject)
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)
        return subject

    return change


def _catch_up() -> None:
    """Do for the streams that there are what was left out when they were made."""
    join, share = (getattr(iterable_dataset, name) for name in (_JOIN, _SHARE))
    for stream in list(_waiting):
        join(type(stream))
        stream._epoch = share(stream._epoch)
    _waiting.clear()
    sys.meta_path.remove(_finder)


class _Finder(MetaPathFinder):
    """Finds torch where it is, and lets the streams catch up once it is imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find it as the other finders do. Some only ask whether it is there."""
        if name != _TORCH:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next(filter(None, found), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


_finder = _Finder()


class _Loader(Loader):
    """Loads a module by another loader, to which it leaves its place, and catches up."""

    def __init__(self, loader: Loader):
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the other loader."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """As the other loader; then catch up."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _catch_up()
