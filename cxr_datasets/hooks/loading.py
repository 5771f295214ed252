"""The hook that lets `datasets` load our folders again.

`datasets` 4 dropped loading scripts: `load_dataset("./my_cxr")` raises as soon as it sees
`my_cxr.py`. Importing a package of ours puts one function before
`datasets.load.dataset_module_factory`, the place where a path becomes a builder. It answers for
the folders and names of registered packages and hands every other call on unchanged.
"""

from __future__ import annotations

import os
import re
from functools import wraps
from pathlib import Path
from typing import Any

import datasets.inspect
import datasets.load

from cxr_datasets.errors import ScriptError
from cxr_datasets.hooks.carrying import teach_agreements_to_stay
from cxr_datasets.hooks.frames import teach_polars
from cxr_datasets.hooks.images import refuse_postscript
from cxr_datasets.hooks.replacing import replace_once
from cxr_datasets.hooks.selection import teach_select_columns
from cxr_datasets.hooks.sending import teach_push_to_look
from cxr_datasets.hooks.shuffling import teach_shuffle
from cxr_datasets.hooks.torch_later import leave_torch_for_later
from cxr_datasets.packages import code_files, package_folder

_HUB_NAME = r"[A-Za-z0-9][\w.-]*/[\w.-]+/?"
"""How somebody's repository on the Hub is written."""

_registered: set[str] = set()


def register(package: str) -> None:
    """Make `load_dataset` answer for a package whose script is `<package>/<package>.py`.

    Args:
        package: Import name. Registering it again changes nothing.
    """
    _registered.add(package)
    teach_select_columns()
    teach_shuffle()
    teach_polars()
    teach_agreements_to_stay()
    teach_push_to_look()
    refuse_postscript()
    leave_torch_for_later()
    # `datasets.inspect` (get_dataset_config_names and others) holds a reference of its own.
    for module in (datasets.load, datasets.inspect):
        replace_once(module, "dataset_module_factory", _answering_first)


def _answering_first(factory: Any) -> Any:
    @wraps(factory)
    def dataset_module_factory(path: Any, *args: Any, **kwargs: Any) -> Any:
        package = _package_at(path, kwargs.get("data_dir")) if _is_path(path) else None
        if package is None:
            return factory(path, *args, **kwargs)
        return datasets.load.DatasetModule(
            module_path=f"{package}.{package}",
            hash=None,  # the builder makes one of its own
            builder_kwargs={"base_path": str(package_folder(package))},
        )

    return dataset_module_factory


def _is_path(path: Any) -> bool:
    return isinstance(path, (str, os.PathLike)) and bool(str(path)) and "://" not in str(path)


def _package_at(path: str | os.PathLike[str], data_dir: str | None) -> str | None:
    """Find the registered package that a path or name means; None if it means something else.

    Where there is no folder of this name it is the installed package, unless the path is the name
    of a repository on the Hub. `-` and `_` are the same.
    """
    place = Path(path)
    folder, name = (place.parent, place.stem) if place.suffix == ".py" else (place, place.name)
    if not name:  # "."
        name = folder.resolve().name
    package = name.replace("-", "_")
    if package not in _registered:
        return None
    script = folder / f"{package}.py"
    if script.is_file():
        return package if _is_ours(script, package) else None
    if folder != place:  # a script that is not there
        return package if not folder.is_dir() else None
    if folder.is_dir():
        # It is somebody's data, as always in `datasets`, unless the bare name is given and data_dir
        # says where the data are.
        return package if data_dir is not None and str(path) == name else None
    return None if re.fullmatch(_HUB_NAME, str(path)) else package


def _is_ours(script: Path, package: str) -> bool:
    """Whether a script is the imported one, and not somebody else's of the same name.

    Raises:
        ScriptError: It is another version of ours.
    """
    imported = package_folder(package)
    if script.parent.resolve() == imported.resolve():
        return True
    if "cxr_datasets" not in script.read_text(encoding="utf-8", errors="replace"):
        return False
    for file in code_files(script.parent):
        twin = imported / file.relative_to(script.parent)
        if not twin.is_file() or twin.read_bytes() != file.read_bytes():
            raise ScriptError(
                f"{script.parent.resolve()} holds another version of {package} than the imported "
                f"one in {imported.resolve()} ({file.name} differs). Load by the path of the "
                f"imported one or by name, load_dataset({package!r}, ...), or start Python so that "
                f"it imports {package} from the folder you mean."
            )
    return True
