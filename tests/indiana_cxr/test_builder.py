"""The Indiana builder passes the common builder case, unsplit and split as in most papers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from datasets import load_dataset

import indiana_cxr
from cxr_datasets.testing import BuilderCase, Loaded, PackageCase
from indiana_cxr import IndianaCxr

R2GEN_LIST = Path(indiana_cxr.__file__).parent / "r2gen_split.csv"


class IndianaCase(BuilderCase):
    package = "indiana_cxr"

    @pytest.fixture(scope="class")
    @classmethod
    def release(cls, indiana_release: Path) -> Path:
        return indiana_release

    def spine(self, release: Path) -> pd.DataFrame:
        images = pd.read_csv(release / "indiana_projections.csv")
        images["image_id"] = images.filename.str.removesuffix(".dcm.png")
        images["study_id"] = images["subject_id"] = images.uid
        images["path"] = "images/images_normalized/" + images.filename
        images["split"] = self.split_of(images.uid)
        return images.dropna(subset="split")

    def split_of(self, uids: pd.Series) -> pd.Series:
        raise NotImplementedError


class TestUnsplit(IndianaCase):
    def split_of(self, uids: pd.Series) -> pd.Series:
        return pd.Series("train", uids.index)


class TestSplitAsInTheLiterature(IndianaCase):
    options = {"split_by": "r2gen"}

    def split_of(self, uids: pd.Series) -> pd.Series:
        return uids.map(pd.read_csv(R2GEN_LIST, index_col="uid").split)

    def test_the_splits_come_in_the_usual_order(self, loaded: Loaded) -> None:
        assert list(loaded.splits) == ["train", "validation", "test"]

    def test_studies_in_none_of_the_lists_are_left_out(self, loaded: Loaded) -> None:
        listed = set(pd.read_csv(R2GEN_LIST).uid)
        all_uids = set(pd.read_csv(loaded.release / "indiana_projections.csv").uid)
        found = {uid for split in loaded.splits.values() for uid in split["study_id"]}
        assert found == all_uids & listed
        assert found < all_uids


@pytest.fixture(scope="module")
def listed(indiana_release: Path) -> pd.DataFrame:
    """The images of studies that R2Gen lists, in the order of the table: `split`, `uid`, `name`."""
    images = pd.read_csv(indiana_release / "indiana_projections.csv")
    images["split"] = images.uid.map(pd.read_csv(R2GEN_LIST, index_col="uid").split)
    images["name"] = images.filename.str.removesuffix(".dcm.png")
    return images.dropna(subset="split")


@pytest.mark.parametrize(
    ("config", "column"), [("images", "image_id"), ("studies", "image_ids"), ("reports", None)]
)
def test_pairs_are_the_first_two_images_by_name_of_each_study_of_the_lists(
    indiana_release: Path, listed: pd.DataFrame, cache: str, config: str, column: str | None
) -> None:
    splits = load_dataset(
        "indiana_cxr", config, data_dir=str(indiana_release), cache_dir=cache,
        split_by="r2gen_pairs",
    )  # fmt: skip
    assert (listed.groupby("uid").size() > 2).any()
    for name, expected in listed.groupby("split"):
        pairs = expected.groupby("uid", sort=False).name.apply(lambda ids: sorted(ids)[:2])
        found = splits[name]
        if config == "images":
            pairs = pairs.explode()
        assert list(found["study_id"]) == list(pairs.index)
        if column is not None:
            assert list(found[column]) == list(pairs)
    assert list(splits) == ["train", "validation", "test"]


def test_the_mean_image_is_that_of_the_release_and_its_suffix_that_of_every_file(
    indiana_release: Path,
) -> None:
    assert pytest.approx(14.19e9, rel=1e-3) == 7_470 * IndianaCxr.MEAN_IMAGE_BYTES
    names = pd.read_csv(indiana_release / "indiana_projections.csv").filename
    assert names.str.endswith(IndianaCxr.IMAGE_SUFFIX).all()


class TestPackage(PackageCase):
    package = "indiana_cxr"
    small = {"studies": 3}
