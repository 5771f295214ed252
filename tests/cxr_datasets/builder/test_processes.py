"""`num_proc` starts processes where they save time, and not for a handful of rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pytest

import cxr_datasets
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.errors import ImageError
from cxr_datasets.testing import copy_release, load_rows, rewrite
from tests.fakes.physionet import PASSWORD, USER, PhysioNet
from tests.helpers import CRASHES_WITH_DASK, run_python

FOLDER = "files/mimic-cxr-jpg/2.1.0"
LOGIN = {"username": USER, "password": PASSWORD}

ONE = ["mimic_cxr_jpg-train.arrow"]
TWO = [f"mimic_cxr_jpg-train-{part}-of-00002.arrow" for part in ("00000", "00001")]


def arrow_files(release: Path | str, cache: str, config: str, **options: Any) -> list[str]:
    """Files of the train split, built by two processes if they are worth it: one each."""
    train = datasets.load_dataset(
        "mimic_cxr_jpg", config, data_dir=str(release), cache_dir=cache, num_proc=2, split="train",
        **options,
    )  # fmt: skip
    return [Path(file["filename"]).name for file in train.cache_files]


@pytest.mark.own_processes
@pytest.mark.parametrize(
    ("config", "options"),
    [("images", {}), ("studies", {}), ("reports", {}), ("reports", {"image_size": 32}),
     ("reports", {"embed": True})],
)  # fmt: skip
def test_a_small_split_without_pixels_is_written_by_one_process(
    config: str, options: dict[str, Any], mimic_release: Path, cache: str
) -> None:
    assert arrow_files(mimic_release, cache, config, **options) == ONE


def test_a_larger_one_by_as_many_as_asked_for(mimic_release: Path, cache: str) -> None:
    assert arrow_files(mimic_release, cache, "images") == TWO


@pytest.mark.own_processes
@pytest.mark.parametrize("config", ["images", "studies"])
@pytest.mark.parametrize("options", [{"embed": True}, {"image_size": 32}], ids=str)
def test_a_small_split_whose_images_are_embedded_is_written_by_as_many_as_asked_for(
    config: str, options: dict[str, Any], mimic_release: Path, cache: str
) -> None:
    assert arrow_files(mimic_release, cache, config, **options) == TWO


@pytest.mark.own_processes
@pytest.mark.parametrize(
    ("config", "options", "files"),
    [("images", {}, TWO), ("studies", {}, TWO), ("reports", {}, ONE),
     ("images", {"embed": False}, ONE)],
)  # fmt: skip
def test_a_small_remote_split_is_written_by_as_many_as_asked_for_where_it_embeds_images(
    config: str, options: dict[str, Any], files: list[str], mimic_release: Path, cache: str
) -> None:
    with PhysioNet({FOLDER: mimic_release}, agents=("cxr-datasets/",)) as server:
        found = arrow_files(server.address(FOLDER), cache, config, storage_options=LOGIN, **options)
    assert found == files


@pytest.mark.skipif(CRASHES_WITH_DASK, reason="python/cpython#111049")
def test_an_error_in_another_process_comes_back_where_exceptions_are_pickled_whole(
    small_release: Path, tmp_path: Path, cache: str
) -> None:
    import distributed  # noqa: F401  (has them pickled with causes, contexts and tracebacks)

    release = copy_release(small_release, tmp_path / "release")
    image = next(release.glob("files/*/*/*/*.jpg"))
    rewrite(image, image.read_bytes()[:-100])
    with pytest.raises(ImageError, match=image.name):
        load_rows("mimic_cxr_jpg", release, cache, image_size=32, num_proc=2)


IMPORTED_BY_A_BUILDER = """
import pickle, sys
import mimic_cxr_jpg.mimic_cxr_jpg as script
from cxr_datasets.builder import builder, indexed, overrides

before = set(sys.modules)
made = script.MimicCxrJpg(data_dir=RELEASE)
pickle.loads(pickle.dumps(made))
assert not [name for name in set(sys.modules) - before if name.partition(".")[0] == "scipy"]
for module in (script, builder, indexed, overrides):
    assert "open" not in vars(module), module
"""


def test_a_builder_has_nothing_replaced_in_its_module_and_imports_no_scipy_for_it(
    small_release: Path, tmp_path: Path
) -> None:
    code = IMPORTED_BY_A_BUILDER.replace("RELEASE", repr(str(small_release)))
    done = run_python(code, cwd=tmp_path, pythonpath=Path(cxr_datasets.__file__).parents[1])
    assert done.returncode == 0, done.stderr
