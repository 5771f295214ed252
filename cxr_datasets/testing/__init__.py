"""What the author of a dataset or store tests it with: test cases to subclass, small helpers.

Subclass `BuilderCase` to check that `load_dataset` gives every row of your release, in every
config, built and streamed. Subclass `PackageCase` to check what stands around the builder: the
entry point, the card and the invented release. Subclass `StoreCase` to check that a store gives
its files as a local folder does. The helpers make changed copies of a release, for tests of what
your package says about a broken one.

This room needs pytest, which the rest of the project does not: pip install "cxr-datasets[testing]".
"""

try:
    import pytest
except ImportError as error:
    raise ImportError(
        "cxr_datasets.testing needs pytest, which is not installed here: "
        'pip install "cxr-datasets[testing]"'
    ) from error

# Before they are imported, so that a failed assertion of theirs shows both sides.
for _name in ("builder_case", "forking", "formats", "package_case", "rows", "store_case"):
    pytest.register_assert_rewrite(f"{__name__}.{_name}")

from cxr_datasets.testing.builder_case import BuilderCase, Loaded
from cxr_datasets.testing.package_case import PackageCase
from cxr_datasets.testing.releases import copy_release, edit_table, read_table, rewrite
from cxr_datasets.testing.rows import (
    arrow_files,
    assert_same,
    contents_under,
    datasets_under,
    files_under,
    load_rows,
    stored,
)
from cxr_datasets.testing.store_case import StoreCase

__all__ = [
    "BuilderCase",
    "Loaded",
    "PackageCase",
    "StoreCase",
    "arrow_files",
    "assert_same",
    "contents_under",
    "copy_release",
    "datasets_under",
    "edit_table",
    "files_under",
    "load_rows",
    "read_table",
    "rewrite",
    "stored",
]
