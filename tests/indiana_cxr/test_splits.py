"""The two splits of the Indiana studies: R2Gen's list and the hash of the uid."""

from __future__ import annotations

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from importlib import resources
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pytest

from indiana_cxr.splits import hash_split, r2gen_split

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
