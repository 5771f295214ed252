"""Whatever byte of whatever file is changed: a user meets rows or a `CxrError`, and nothing else.

CXR_FUZZ says how often each kind of file is damaged; `make test-all` does it hundreds of times. A
damage that fails is repeated by its kind and number alone.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.errors import CxrError
from tests.fuzz.kinds import KINDS, copied

TIMES = int(os.environ.get("CXR_FUZZ") or 8)


class Workshop:
    """Undamaged places, each made once, and what their use gives."""

    def __init__(self, root: Path):
        self._root = root
        self._made: dict[str, tuple[Path, Any]] = {}

    def place(self, name: str) -> tuple[Path, Any]:
        if name not in self._made:
            kind = KINDS[name]
            made = self._root / str(len(self._made))
            made.mkdir(exist_ok=True)
            kind.make(made)
            # Used where damaged ones are used, for rows hold where their images are.
            is_known = kind.is_mended or kind.is_told
            used = kind.use(self.in_use(made), random.Random(0)) if is_known else None
            self._made[name] = made, used
        return self._made[name]

    def in_use(self, place: Path) -> Path:
        """Copy a place to where it is used, in place of the one before."""
        shutil.rmtree(self._root / "used", ignore_errors=True)
        return copied(place, self._root / "used")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    root = tmp_path_factory.mktemp("fuzz")
    yield Workshop(root)
    shutil.rmtree(root)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("number", range(TIMES))
def test_a_damaged_file_gives_rows_or_an_error_of_ours(
    workshop: Workshop, name: str, number: int
) -> None:
    kind, rng = KINDS[name], random.Random(f"{name} {number}")
    made, expected = workshop.place(name)
    place = workshop.in_use(made)
    file = rng.choice([file for file in sorted(place.glob(kind.files)) if file.is_file()])
    how = rng.choice(kind.damages)(file, rng)
    about = f"{name} {number}: {file.relative_to(place)}, {how}"
    try:
        used = kind.use(place, rng)
    except Exception as error:
        if isinstance(error, CxrError) and str(error) and not kind.is_mended:
            return
        raise AssertionError(f"{about}, gives {type(error).__name__}") from error
    assert expected is None or used == expected, about


@pytest.mark.parametrize("bit", range(0, 8 * 5_000, 997))
def test_single_bits_of_archive_zip(tmp_path: Path, workshop: Workshop, bit: int) -> None:
    """The files in it have checksums: each bit is noticed, or decides nothing."""
    made, _ = workshop.place("archive of Indiana")
    place = workshop.in_use(made)
    archive = place / "copy.zip"
    content = bytearray(archive.read_bytes())
    at = bit * len(content) // (8 * 5_000)
    content[at] ^= 1 << (bit % 8)
    archive.write_bytes(content)
    try:
        found = _embedded(place)
    except CxrError:
        return
    archive.write_bytes((made / "copy.zip").read_bytes())
    shutil.rmtree(place / "cache")
    assert found == _embedded(place)


def _embedded(place: Path) -> list[Any]:
    from datasets import load_dataset

    rows = load_dataset(
        "indiana_cxr", data_dir=str(place / "copy.zip"), cache_dir=str(place / "cache"), embed=True
    )["train"]
    return rows.with_format("arrow")[:].to_pylist()
