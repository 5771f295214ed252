"""`num_proc` starts processes where they save time, and not for a handful of rows."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest

import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.errors import ImageError
from cxr_datasets.testing import copy_release, load_rows, rewrite


def arrow_files(release: Path, cache: str) -> list[str]:
    """Files of the train split built by two processes: one each."""
    train = datasets.load_dataset(
        "mimic_cxr_jpg", data_dir=str(release), cache_dir=cache, num_proc=2, split="train"
    )
    return [Path(file["filename"]).name for file in train.cache_files]


@pytest.mark.own_processes
def test_a_small_split_is_written_by_one_process(mimic_release: Path, cache: str) -> None:
    assert arrow_files(mimic_release, cache) == ["mimic_cxr_jpg-train.arrow"]


def test_a_larger_one_by_as_many_as_asked_for(mimic_release: Path, cache: str) -> None:
    names = [f"mimic_cxr_jpg-train-{part}-of-00002.arrow" for part in ("00000", "00001")]
    assert arrow_files(mimic_release, cache) == names


def test_an_error_in_another_process_comes_back_where_exceptions_are_pickled_whole(
    small_release: Path, tmp_path: Path, cache: str
) -> None:
    import distributed  # noqa: F401  (has them pickled with causes, contexts and tracebacks)

    release = copy_release(small_release, tmp_path / "release")
    image = next(release.glob("files/*/*/*/*.jpg"))
    rewrite(image, image.read_bytes()[:-100])
    with pytest.raises(ImageError, match=image.name):
        load_rows("mimic_cxr_jpg", release, cache, image_size=32, num_proc=2)
