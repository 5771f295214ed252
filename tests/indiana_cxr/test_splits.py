"""The splits of the Indiana studies: R2Gen's list and pairs of images, and the hash of the uid."""

from __future__ import annotations

import csv
import hashlib
import os
import random
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from importlib import resources
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pytest

from indiana_cxr.splits import hash_split, places_by_name, r2gen_split
from tests.docs.pages import CARDS, read, table

SplitUids = Callable[[pa.Array], pa.StringArray]

REAL_DIR = os.environ.get("CXR_INDIANA_DIR", "")

LAST_UID = 3999
SPLITS = {"train", "validation", "test"}


@pytest.fixture(scope="module")
def listed() -> list[tuple[int, str]]:
    """The rows of the list that comes with the package, read without the code under test."""
    text = resources.files("indiana_cxr").joinpath("r2gen_split.csv").read_text("ascii")
    return [(int(row["uid"]), row["split"]) for row in csv.DictReader(text.splitlines())]


def split_by_definition(uid: int) -> str:
    """The documented rule, followed by hand with exact fractions."""
    first_8_bytes = hashlib.sha256(b"indiana-cxr:" + str(uid).encode()).hexdigest()[:16]
    x = Fraction(int(first_8_bytes, 16), 2**64)
    if x < Fraction(7, 10):
        return "train"
    return "validation" if x < Fraction(8, 10) else "test"


# R2Gen's list.


def test_the_list_has_the_published_number_of_studies_in_each_split(
    listed: list[tuple[int, str]],
) -> None:
    counts = Counter(split for _, split in listed)
    assert counts == {"train": 2069, "validation": 296, "test": 590}


def test_the_list_has_no_uid_twice_and_only_uids_of_the_release(
    listed: list[tuple[int, str]],
) -> None:
    uids = [uid for uid, _ in listed]
    assert len(set(uids)) == len(uids)
    assert min(uids) >= 1
    assert max(uids) <= LAST_UID


def test_each_listed_study_gets_the_split_of_the_list_in_any_order(
    listed: list[tuple[int, str]],
) -> None:
    backwards = listed[::-1]
    found = r2gen_split(pa.array([uid for uid, _ in backwards]))
    assert found.to_pylist() == [split for _, split in backwards]


def test_over_all_uids_only_the_listed_ones_have_an_r2gen_split() -> None:
    found = r2gen_split(pa.array(range(1, LAST_UID + 1)))
    assert Counter(found.to_pylist()) == {
        "train": 2069,
        "validation": 296,
        "test": 590,
        None: LAST_UID - 2069 - 296 - 590,
    }


def test_a_study_that_the_list_lacks_has_no_r2gen_split() -> None:
    assert r2gen_split(pa.array([0, 4001, -1, None])).to_pylist() == [None] * 4


@pytest.mark.skipif(not REAL_DIR, reason="CXR_INDIANA_DIR is not set")
def test_r2gen_studies_are_those_with_findings_and_two_listed_images() -> None:
    reports = pa_csv.read_csv(Path(REAL_DIR) / "indiana_reports.csv")
    images = pa_csv.read_csv(Path(REAL_DIR) / "indiana_projections.csv")
    counted = images.group_by("uid").aggregate([("filename", "count")])
    several = counted.filter(pc.greater_equal(counted["filename_count"], 2))["uid"]
    has_findings = pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(reports["findings"])), 0)
    eligible = pc.and_(has_findings, pc.is_in(reports["uid"], value_set=several))
    in_split = pc.is_valid(pa.chunked_array([r2gen_split(reports["uid"])]))
    assert pc.sum(in_split).as_py() == 2955
    assert pc.sum(pc.xor(eligible, in_split)).as_py() == 0


# R2Gen's two images.


def test_images_of_a_study_are_numbered_by_name_as_text_in_whatever_order_they_come() -> None:
    named = [  # uid, name, number
        (7, "7_IM-0001-12012.dcm.png", 0),
        (7, "7_IM-0001-2001.dcm.png", 1),
        (7, "7_IM-0001-4004.dcm.png", 2),
        (71, "71_IM-0200-0001-0001.dcm.png", 0),
        (71, "71_IM-0200-0001-0002.dcm.png", 1),
        (71, "71_IM-0200-4004.dcm.png", 2),
        (9, "9_IM-0300-1001.dcm.png", 0),
    ]
    for seed in range(5):
        random.Random(seed).shuffle(named)
        uids, names, numbers = zip(*named, strict=True)
        assert places_by_name(pa.array(uids), pa.array(names)).to_pylist() == list(numbers)


def test_no_images_have_no_numbers() -> None:
    assert len(places_by_name(pa.array([], pa.int64()), pa.array([], pa.string()))) == 0


def test_columns_in_chunks_are_numbered_alike() -> None:
    uids, names = [1, 2, 1], ["1_b", "2_a", "1_a"]
    whole = places_by_name(pa.array(uids), pa.array(names))
    assert whole.to_pylist() == [1, 0, 0]
    chunked = pa.chunked_array([uids[:1], uids[1:]]), pa.chunked_array([names[:2], names[2:]])
    assert places_by_name(*chunked).equals(whole)


@pytest.mark.skipif(not REAL_DIR, reason="CXR_INDIANA_DIR is not set")
def test_the_card_counts_the_studies_and_first_images_of_the_pairs() -> None:
    images = pa_csv.read_csv(Path(REAL_DIR) / "indiana_projections.csv").to_pandas()
    images["place"] = places_by_name(pa.array(images.uid), pa.array(images.filename)).to_pylist()
    listed = images[[split is not None for split in r2gen_split(pa.array(images.uid)).to_pylist()]]
    sizes = listed.groupby("uid").size()
    first = listed.projection[listed.place == 0].value_counts()
    unlisted = (Path(REAL_DIR) / "unlisted_images.txt").read_text().split()
    assert sum(int(name.split("_")[0]) in sizes for name in unlisted) == 4
    text = " ".join(read(CARDS["indiana_cxr"]).split())
    for said in (
        f"the 2,955 studies {(sizes == 2).sum():,} have two listed images, and "
        f"{(sizes > 2).sum()} have three to five",
        f"which is all that NLM has of these studies: the {len(listed):,} that Kaggle lists and",
        f"has {len(listed) + 4:,} images",
        f"is frontal in {first['Frontal']:,} studies and lateral in {first['Lateral']}",
        f"every config: {(listed.place < 2).sum():,} images",
    ):
        assert said in text


@pytest.mark.skipif(not REAL_DIR, reason="CXR_INDIANA_DIR is not set")
def test_in_two_studies_the_second_image_by_name_is_one_that_kaggle_does_not_list() -> None:
    listed = pa_csv.read_csv(Path(REAL_DIR) / "indiana_projections.csv")["filename"].to_pylist()
    unlisted = (Path(REAL_DIR) / "unlisted_images.txt").read_text().split()
    both = [*listed, *unlisted]
    places = places_by_name(pa.array([int(name.split("_")[0]) for name in both]), pa.array(both))
    early = [name for name, place in zip(both, places.to_pylist(), strict=True)
             if place < 2 and name in unlisted]  # fmt: skip
    uids = sorted(int(name.split("_")[0]) for name in early)
    assert f"in 2 studies (uid {uids[0]} and {uids[1]})" in " ".join(
        read(CARDS["indiana_cxr"]).split()
    )
    assert len(early) == 2


# Reports that are alike.


@pytest.mark.skipif(not REAL_DIR, reason="CXR_INDIANA_DIR is not set")
@pytest.mark.parametrize(("row", "split"), [(0, r2gen_split), (1, hash_split)])
def test_the_card_counts_the_like_reports_in_several_splits(row: int, split: SplitUids) -> None:
    reports = pa_csv.read_csv(
        Path(REAL_DIR) / "indiana_reports.csv",
        convert_options=pa_csv.ConvertOptions(strings_can_be_null=False),
    ).to_pandas()
    reports["split"] = split(pa.array(reports.uid)).to_pylist()
    reports = reports.dropna(subset="split")
    groups = reports.groupby(["findings", "impression"]).split
    several = groups.transform("nunique") > 1
    with_train = groups.transform(lambda splits: (splits == "train").any())
    tested = reports.split == "test"
    found = [
        str(groups.nunique().gt(1).sum()),
        str(several.sum()),
        f"{(tested & with_train).sum()} of {tested.sum()}",
    ]
    assert table(CARDS["indiana_cxr"], "lists of")[row][1:] == found


# The hash.


@pytest.mark.parametrize(
    ("uid", "digest_start", "split"),
    [
        (1, "6d3a6ad0773ba967", "train"),
        (2, "d6defafe432720ce", "test"),
        (3999, "fedba27efa01a81f", "test"),
    ],
)
def test_the_hash_of_a_uid_never_changes(uid: int, digest_start: str, split: str) -> None:
    assert hashlib.sha256(f"indiana-cxr:{uid}".encode()).hexdigest().startswith(digest_start)
    assert hash_split(pa.array([uid])).to_pylist() == [split]


def test_pinned_uids_keep_their_hash_split() -> None:
    train, validation, test = [3, 4, 5, 8, 9, 10, 11, 13], [12], [6, 7, 14]
    assert set(hash_split(pa.array(train)).to_pylist()) == {"train"}
    assert set(hash_split(pa.array(validation)).to_pylist()) == {"validation"}
    assert set(hash_split(pa.array(test)).to_pylist()) == {"test"}


def test_the_hash_split_is_the_documented_rule_for_every_uid() -> None:
    uids = range(1, LAST_UID + 1)
    assert hash_split(pa.array(uids)).to_pylist() == [split_by_definition(uid) for uid in uids]


def test_the_hash_split_assigns_every_study_about_70_10_20() -> None:
    counts = Counter(hash_split(pa.array(range(1, LAST_UID + 1))).to_pylist())
    assert set(counts) == SPLITS
    assert counts["train"] / LAST_UID == pytest.approx(0.7, abs=0.02)
    assert counts["validation"] / LAST_UID == pytest.approx(0.1, abs=0.02)
    assert counts["test"] / LAST_UID == pytest.approx(0.2, abs=0.02)


def test_the_hash_split_of_a_study_does_not_depend_on_the_others() -> None:
    together = hash_split(pa.array([7, 12, 7, 13])).to_pylist()
    alone = [hash_split(pa.array([uid])).to_pylist()[0] for uid in (7, 12, 7, 13)]
    assert together == alone == ["test", "validation", "test", "train"]


# Both.


@pytest.mark.parametrize("split", [r2gen_split, hash_split])
def test_a_split_column_is_strings_as_long_as_the_uids(split: SplitUids) -> None:
    for uids in ([], [2, 2], [1, None, 2]):
        found = split(pa.array(uids, pa.int64()))
        assert isinstance(found, pa.StringArray)
        assert len(found) == len(uids)
        assert [value for value in found.to_pylist() if value not in SPLITS | {None}] == []


@pytest.mark.parametrize("split", [r2gen_split, hash_split])
def test_uids_in_chunks_or_of_another_width_are_split_alike(split: SplitUids) -> None:
    whole = split(pa.array(range(1, 101)))
    assert split(pa.array(range(1, 101), pa.int32())).equals(whole)
    assert split(pa.chunked_array([range(1, 41), range(41, 101)])).equals(whole)


def test_a_null_uid_has_no_hash_split() -> None:
    assert hash_split(pa.array([None, 12], pa.int64())).to_pylist() == [None, "validation"]
