"""The order of training: what it promises, what it saves, what it refuses."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from datasets import Dataset

import cxr_datasets
from cxr_datasets.errors import CxrError, OptionError, ResumeError
from cxr_datasets.labels import sample_weights, to_targets
from cxr_datasets.training import ElasticBatchSampler
from tests.cxr_datasets.training.worlds import global_batches, invented
from tests.helpers import run_python

CHECKOUT = Path(cxr_datasets.__file__).parents[1]

PATIENTS = invented(12, 3, 3)
ROWS = len(PATIENTS)


def first(sampler: ElasticBatchSampler, batches: int) -> list[list[int]]:
    return list(islice(sampler, batches))


# --- the order ------------------------------------------------------------------------------------

STEADY = Dataset.from_dict(
    {"subject_id": [row // 4 for row in range(2000)], "study_id": [row // 3 for row in range(2000)]}
)
FIXED: dict[str, tuple[dict[str, Any], list[list[int]]]] = {
    "plain": ({}, [[830, 609, 1709, 387, 369, 1717], [122, 763]]),
    "weights": (
        {"weights": [row % 7 for row in range(2000)]},
        [[1864, 1203, 802, 131, 16, 1595], [1705, 354]],
    ),
    "subject_id": ({"by": "subject_id"}, [[944, 1474, 1649, 1261, 1433, 890], [1293, 1742]]),
    "study_id": (
        {"by": "study_id"},
        [[708, 709, 710, 1923, 1924, 1925], [1998, 1999, 1704, 1705, 1706]],
    ),
}
"""The first and the last batch of some orders. They stay for ever: runs are resumed by them."""


@pytest.mark.parametrize("name", FIXED)
def test_the_order_stays_the_same_for_ever(name: str) -> None:
    options, expected = FIXED[name]
    sampler = ElasticBatchSampler(STEADY, 6, seed=42, **options)
    sampler.set_epoch(3)
    batches = list(sampler)
    assert [batches[0], batches[-1]] == expected


def test_each_seed_and_each_epoch_has_an_order_of_its_own() -> None:
    orders = set()
    for seed in (0, 1, -1, 2**63):
        sampler = ElasticBatchSampler(range(1000), 1000, seed=seed)
        orders |= {tuple(batch) for _ in range(3) for batch in sampler}
    assert len(orders) == 12


def test_epochs_follow_one_another_and_one_that_was_left_begins_anew() -> None:
    sampler = ElasticBatchSampler(range(100), 10)
    zero, one = list(sampler), list(sampler)
    assert zero != one
    assert first(sampler, 3) == first(sampler, 3)
    assert sampler.epoch == 2
    for epoch, expected in ((1, one), (0, zero), (0, zero)):
        sampler.set_epoch(epoch)
        assert list(sampler) == expected
    sampler.set_epoch(1)  # where it is already
    assert list(sampler) == one


@pytest.mark.parametrize("drop_last", [False, True, "pad"])
def test_its_length_is_the_steps_of_the_epoch_also_when_resumed(drop_last: Any) -> None:
    sampler = ElasticBatchSampler(range(103), 10, drop_last=drop_last)
    steps = 10 if drop_last is True else 11
    assert len(sampler) == steps == len(list(sampler))
    sampler.set_epoch(0)
    first(sampler, 4)
    state = sampler.state_dict()
    for size, rest in ((10, steps - 4), (21, 3), (63, 1)):
        other = ElasticBatchSampler(range(103), size, drop_last=drop_last)
        other.load_state_dict(state)
        assert len(other) == 4 + rest
        assert len(list(other)) == rest
        assert len(other) == len(list(other))  # the next epoch


def test_ranks_get_as_many_rows_where_the_batch_is_a_multiple_of_their_number() -> None:
    shares = [ElasticBatchSampler(range(96), 24, rank=rank, world_size=8) for rank in range(8)]
    assert {len(batch) for share in shares for batch in share} == {3}


def test_a_last_batch_smaller_than_the_world_goes_to_more_than_one_rank() -> None:
    last = [
        list(ElasticBatchSampler(range(11), 8, rank=rank, world_size=8))[-1] for rank in range(8)
    ]
    assert [len(share) for share in last] == [1] * 8
    rows = Counter(row for share in last for row in share)
    assert len(rows) == 3
    assert max(rows.values()) - min(rows.values()) <= 1


def test_a_batch_that_is_filled_takes_rows_that_came_before() -> None:
    (*_, last), whole = (
        global_batches(range(10), 4, drop_last=drop_last) for drop_last in ("pad", False)
    )
    assert last == [*whole[-1], *whole[0][:2]]
    tiny = global_batches(range(3), 8, drop_last="pad")
    assert [sorted(Counter(batch).values()) for batch in tiny] == [[2, 3, 3]]


# --- weights --------------------------------------------------------------------------------------


def test_weights_draw_rows_as_often_as_they_say_and_never_one_of_weight_0() -> None:
    weights = np.array([0, 1, 0, 2, 5, 0])
    sampler = ElasticBatchSampler([0] * 6, 6, weights=weights)
    counts = np.bincount([row for _ in range(4000) for batch in sampler for row in batch])
    expected = 24_000 * weights / 8
    assert (counts[weights[: len(counts)] == 0] == 0).all()
    drawn = weights > 0
    excess = ((counts[drawn[: len(counts)]] - expected[drawn]) ** 2 / expected[drawn]).sum()
    assert excess < 14  # chi-square of 2 degrees: above it once in a thousand


def test_draws_hang_on_their_place_and_not_on_the_world_or_the_batch_size() -> None:
    weights = np.arange(50)
    whole = [row for batch in global_batches(range(50), 8, weights=weights) for row in batch]
    assert len(whole) == 50 > len(set(whole))
    sampler = ElasticBatchSampler(range(50), 8, weights=weights)
    begun = first(sampler, 2)
    other = ElasticBatchSampler(range(50), 20, weights=weights)
    other.load_state_dict(sampler.state_dict())
    assert [row for batch in (*begun, *other) for row in batch] == whole
    ranks = [
        list(ElasticBatchSampler(range(50), 10, rank=rank, world_size=2, weights=weights))
        for rank in range(2)
    ]
    assert [row for pair in zip(*ranks, strict=True) for part in pair for row in part] == whole


def test_weights_by_prevalence_come_from_the_labels() -> None:
    labels = [{"Edema": 1.0 if row < 10 else 0.0} for row in range(100)]
    weights = sample_weights(to_targets(labels, names=["Edema"]))
    rows = [row for batch in global_batches(range(100), 10, weights=weights) for row in batch]
    assert 30 <= sum(row < 10 for row in rows) <= 70


# --- by a column ----------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["subject_id", "study_id"])
def test_rows_are_known_by_the_column_whatever_their_order(by: str) -> None:
    shuffled = PATIENTS.shuffle(seed=3).select(range(5, ROWS))
    ids = shuffled[by][:]
    whole = Counter(ids)
    batches = global_batches(shuffled, 4, by=by)
    assert sorted(row for batch in batches for row in batch) == list(range(len(shuffled)))
    for batch in batches:
        there = Counter(ids[row] for row in batch)
        if by == "subject_id":
            assert set(there.values()) == {1}
        else:
            assert all(count == whole[study] for study, count in there.items())


def test_by_reads_its_column_and_no_other() -> None:
    wide = PATIENTS.add_column("text", ["x" * 100_000] * ROWS)
    read: list[str] = []
    table = wide.data
    original = type(table).column

    def column(self: Any, name: Any) -> Any:
        read.append(name)
        return original(self, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(table), "column", column)
        global_batches(wide, 4, by="subject_id")
    assert set(read) == {"subject_id"}


def test_ids_that_are_texts_are_kept_together_too() -> None:
    texts = Dataset.from_dict({"study_id": ["a", "b", "a", "c", "b", "c"]})
    for batch in global_batches(texts, 2, by="study_id"):
        assert len({texts[row]["study_id"] for row in batch}) == 1
        assert len(batch) == 2


def test_whole_studies_fill_batches_and_every_epoch_has_as_many() -> None:
    many = invented(150, 4, 4, seed=9)
    sampler = ElasticBatchSampler(many, 32, by="study_id")
    for _ in range(5):
        sizes = [len(batch) for batch in sampler]
        assert len(sizes) == -(-len(many) // 32)
        assert max(sizes) - min(sizes) <= 1


def test_whole_studies_are_shared_evenly_among_the_ranks() -> None:
    many = invented(150, 4, 4, seed=9)
    steps = [
        list(ElasticBatchSampler(many, 64, rank=rank, world_size=4, by="study_id"))
        for rank in range(4)
    ]
    for shares in zip(*steps, strict=True):
        assert max(map(len, shares)) - min(map(len, shares)) <= 4
        studies = [{many[row]["study_id"] for row in share} for share in shares[:1]]
        for share in shares[1:]:
            mine = {many[row]["study_id"] for row in share}
            assert not any(mine & other for other in studies)
            studies.append(mine)


def test_patients_that_meet_in_a_batch_do_not_meet_in_the_next() -> None:
    many = Dataset.from_dict({"subject_id": np.repeat(np.arange(300), 6)})
    batches = global_batches(many, 36, by="subject_id")
    pairs = Counter(
        tuple(sorted((a // 6, b // 6))) for batch in batches for a in batch for b in batch if a < b
    )
    # At random, 31,500 meetings fall on 44,850 pairs, and hardly one meets six times.
    assert max(pairs.values()) <= 6
    assert sum(count >= 4 for count in pairs.values()) < 400


def test_where_patients_fill_every_batch_these_are_equal_and_none_is_short() -> None:
    tight = Dataset.from_dict({"subject_id": [*[1] * 3, *[2] * 3, *[3] * 3, 4]})
    assert sorted(len(batch) for batch in global_batches(tight, 4, by="subject_id")) == [3, 3, 4]


def test_a_state_that_leaves_one_patient_only_gives_smaller_batches() -> None:
    rows = Dataset.from_dict({"subject_id": [1, 1, 1, 1, *range(2, 14)]})
    sampler = ElasticBatchSampler(rows, 1, by="subject_id")
    ids = rows["subject_id"][:]
    while True:  # until no other is left
        batches = list(sampler)
        last = max(at for at, (row,) in enumerate(batches) if ids[row] != 1)
        if last < len(batches) - 2:
            break
    sampler.set_epoch(sampler.epoch - 1)
    first(sampler, last + 1)
    other = ElasticBatchSampler(rows, 4, by="subject_id")
    other.load_state_dict(sampler.state_dict())
    assert [len(batch) for batch in other] == [1] * (len(batches) - 1 - last)


# --- states ---------------------------------------------------------------------------------------


def test_a_state_is_a_few_numbers_that_json_can_write() -> None:
    sampler = ElasticBatchSampler(PATIENTS, 4, seed=7, by="subject_id")
    first(sampler, 3)
    text = json.dumps(sampler.state_dict())
    assert len(text) < 200
    other = ElasticBatchSampler(PATIENTS, 4, by="subject_id")
    other.load_state_dict(json.loads(text))
    assert other.seed == 7
    assert [*first(sampler, 3), *other] == global_batches(PATIENTS, 4, seed=7, by="subject_id")
    assert other.state_dict() == {**json.loads(text), "epoch": 1, "parts": [[4, 0]]}


def test_the_seed_of_a_state_holds_for_later_epochs_too() -> None:
    sampler = ElasticBatchSampler(range(20), 4, seed=7)
    first(sampler, 3)
    other = ElasticBatchSampler(range(20), 4)
    other.load_state_dict(sampler.state_dict())
    for _ in range(2):
        rest = list(other), list(sampler)
    assert rest[0] == rest[1]
    assert list(other) == list(sampler)


def test_a_state_at_the_end_of_an_epoch_begins_the_next() -> None:
    sampler = ElasticBatchSampler(range(20), 4)
    batches = iter(sampler)
    for _ in range(5):
        next(batches)
    state = sampler.state_dict()  # the loop has not asked for more yet
    assert list(batches) == []
    assert sampler.state_dict() == state == sampler.state_dict(5)
    other = ElasticBatchSampler(range(20), 4)
    other.load_state_dict(state)
    assert list(other) == list(sampler)


def test_what_is_left_may_be_dropped_with_a_larger_batch() -> None:
    sampler = ElasticBatchSampler(range(20), 4)
    first(sampler, 4)
    other = ElasticBatchSampler(range(20), 8, drop_last=True)
    other.load_state_dict(sampler.state_dict())
    assert other.state_dict()["epoch"] == 1
    assert len(list(other)) == 2


def test_batches_done_counts_from_where_the_loop_began() -> None:
    whole = global_batches(range(40), 4)
    sampler = ElasticBatchSampler(range(40), 4)
    first(sampler, 7)  # read ahead
    sampler.load_state_dict(sampler.state_dict(3))
    first(sampler, 7)  # all that is left, and none asked for yet
    state = sampler.state_dict(2)
    for batches_done in (8, -1, 1.5, True):
        with pytest.raises(OptionError, match=r"batches_done=.* from 0 to 7"):
            sampler.state_dict(batches_done)  # type: ignore[arg-type]
    sampler.load_state_dict(state)
    assert list(sampler) == whole[5:]


def test_the_epoch_that_workers_have_read_to_its_end_is_saved_by_what_was_done() -> None:
    sampler = ElasticBatchSampler(range(40), 4)
    list(sampler)
    other = ElasticBatchSampler(range(40), 4)
    other.load_state_dict(sampler.state_dict(6))
    assert list(other) == global_batches(range(40), 4)[6:]


def test_set_epoch_keeps_a_loaded_state_and_never_loses_it() -> None:
    sampler = ElasticBatchSampler(range(40), 4)
    sampler.set_epoch(3)
    whole = list(sampler)
    sampler.set_epoch(3)
    first(sampler, 4)
    other = ElasticBatchSampler(range(40), 4)
    other.load_state_dict(sampler.state_dict())
    with pytest.raises(ResumeError, match=r"epoch 3, after 4 batches.*loader\.set_epoch\(3\)"):
        other.set_epoch(0)
    other.set_epoch(3)
    assert list(other) == whole[4:]
    other.set_epoch(0)
    assert list(other) == global_batches(range(40), 4)


def test_it_can_be_pickled_in_the_middle() -> None:
    sampler = ElasticBatchSampler(PATIENTS, 4, by="study_id")
    first(sampler, 2)
    again = pickle.loads(pickle.dumps(sampler))
    assert again.state_dict() == sampler.state_dict()
    assert list(again) == list(sampler)


OTHERS = {
    "fewer rows": (PATIENTS.select(range(ROWS - 1)), {}, rf"{ROWS} rows, and this one has"),
    "another order": (PATIENTS.shuffle(seed=1), {}, "other ids, or in another order"),
    "other rows": (Dataset.from_dict({"study_id": list(range(ROWS))}), {}, "other ids"),
    "by": (PATIENTS, {"by": "study_id"}, r"by=None.*by='study_id'"),
    "weights": (PATIENTS, {"weights": np.ones(ROWS)}, r"weights=None.*weights='given'"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_state_of_another_dataset_or_order_is_refused(other: str) -> None:
    dataset, options, said = OTHERS[other]
    state = ElasticBatchSampler(PATIENTS, 4).state_dict()
    sampler = ElasticBatchSampler(dataset, 4, **options)
    with pytest.raises(ResumeError, match=said):
        sampler.load_state_dict(state)
    assert sampler.state_dict()["epoch"] == 0  # nothing was taken over


def test_a_state_fits_a_dataset_that_a_transform_or_a_choice_of_columns_has_changed() -> None:
    state = ElasticBatchSampler(PATIENTS, 4).state_dict()
    for same in (
        PATIENTS.with_transform(lambda rows: rows),
        PATIENTS.select_columns(["image_id"]),
        PATIENTS.select_columns(["subject_id"]),  # without ids, their number is all that is known
    ):
        ElasticBatchSampler(same, 4).load_state_dict(state)


GOOD = ElasticBatchSampler(range(9), 4).state_dict()


@pytest.mark.parametrize(
    "state",
    [
        {},
        {**GOOD, "version": 2},
        {**GOOD, "parts": []},
        {**GOOD, "parts": [[0, 3]]},
        {**GOOD, "parts": [[4, -1]]},
        {**GOOD, "parts": [[4]]},
        {**GOOD, "epoch": "three"},
        {**GOOD, "seed": None},
        {"_index_sampler_state": GOOD},
        None,
    ],
)
def test_what_is_no_state_is_refused(state: Any) -> None:
    with pytest.raises(ResumeError, match="no state of an ElasticBatchSampler"):
        ElasticBatchSampler(range(9), 4).load_state_dict(state)


def test_a_state_beyond_the_end_of_the_epoch_begins_the_next() -> None:
    for options in ({}, {"by": "subject_id"}, {"by": "study_id"}):
        sampler = ElasticBatchSampler(PATIENTS, 4, **options)
        state = {**sampler.state_dict(), "parts": [[4, 1000], [5, 0]]}
        sampler.load_state_dict(state)
        assert (sampler.epoch, len(list(sampler))) == (1, len(sampler))


# --- what it refuses ------------------------------------------------------------------------------

FEW = Dataset.from_dict({"subject_id": [1, 1, 1, 2, 3, 4], "study_id": [1, 1, 1, 2, 3, None]})

REFUSED = {
    "a stream": (PATIENTS.to_iterable_dataset(), 4, {}, r"a stream.*shuffle\(seed"),
    "splits": (datasets.DatasetDict(test=PATIENTS), 4, {}, r'one split.*dataset\["test"\]'),
    "a sampler of Lightning": (iter([]), 4, {}, r"use_distributed_sampler=False"),
    "no rows": (PATIENTS.select([]), 4, {}, "no row"),
    "batch_size 0": (PATIENTS, 0, {}, "batch_size=0.*at least 1"),
    "batch_size half": (PATIENTS, 1.5, {}, "batch_size=1.5"),
    "batch_size text": (PATIENTS, "4", {}, "batch_size='4'"),
    "batch_size below the world": (PATIENTS, 3, {"world_size": 4}, "at least 4; it counts"),
    "rank": (PATIENTS, 4, {"rank": 2, "world_size": 2}, "rank=2.*from 0 to 1"),
    "world_size": (PATIENTS, 4, {"world_size": 0}, "world_size=0"),
    "seed": (PATIENTS, 4, {"seed": None}, "seed=a NoneType"),
    "drop_last": (PATIENTS, 4, {"drop_last": "no"}, "drop_last='no'.*False, True, 'pad'"),
    "drop_last 1": (PATIENTS, 4, {"drop_last": 1}, "drop_last=1"),
    "nothing left": (PATIENTS, 999, {"drop_last": True}, f"no batch of the {ROWS} rows"),
    "by": (PATIENTS, 4, {"by": "path"}, "by='path'.*'subject_id', 'study_id'"),
    "by of a list": (range(9), 4, {"by": "study_id"}, "the dataset is a range"),
    "no column": (
        PATIENTS.select_columns(["image_id"]), 4, {"by": "study_id"}, "no such column.*image_id",
    ),
    "nulls": (FEW, 4, {"by": "study_id"}, "1 of 6 rows have nothing there"),
    "too many images": (
        FEW, 3, {"by": "subject_id"}, "subject_id '1' has 3 of 6 rows.*2 batches of 3.*at most 2;",
    ),
    "a large study": (
        FEW.select(range(5)), 2, {"by": "study_id"}, "study_id '1' has 3 rows.*at least 3",
    ),
    "weights and by": (
        PATIENTS, 4, {"weights": np.ones(ROWS), "by": "study_id"}, "weights and by='study_id'",
    ),
    "too few weights": (PATIENTS, 4, {"weights": [1.0]}, rf"shape \(1,\).*{ROWS} rows"),
    "texts": (PATIENTS, 4, {"weights": ["a"] * ROWS}, "type <U1"),
    "negative": (range(3), 2, {"weights": [0, 1, -1]}, "1 of 3 values below 0.*row 2"),
    "NaN": (range(3), 2, {"weights": [np.nan, 1, np.inf]}, "2 of 3 values.*row 0"),
    "zeros": (range(3), 2, {"weights": [0, 0, 0]}, "at least one above 0"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_is_refused_and_why_is_said(what: str) -> None:
    dataset, batch_size, options, said = REFUSED[what]
    with pytest.raises(CxrError, match=said):
        ElasticBatchSampler(dataset, batch_size, **options)


@pytest.mark.parametrize("rows", [7, 23, 60])
@pytest.mark.parametrize("most", [2, 3, 5])
def test_the_batch_size_that_is_advised_for_patients_is_the_largest(rows: int, most: int) -> None:
    patients = Dataset.from_dict({"subject_id": [*[0] * most, *range(1, rows - most + 1)]})
    with pytest.raises(OptionError, match=r"at most (\d+);") as caught:
        ElasticBatchSampler(patients, rows, by="subject_id")
    advised = int(str(caught.value).split("at most ")[1].split(";")[0])
    ElasticBatchSampler(patients, advised, by="subject_id")
    with pytest.raises(OptionError):
        ElasticBatchSampler(patients, advised + 1, by="subject_id")


@pytest.mark.parametrize("epoch", [-1, "1", None])
def test_an_epoch_is_a_number_from_0(epoch: Any) -> None:
    with pytest.raises(OptionError, match="epoch="):
        ElasticBatchSampler(range(9), 4).set_epoch(epoch)


def test_torch_is_not_needed(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from cxr_datasets.training import ElasticBatchSampler\n"
        "print(len(list(ElasticBatchSampler(range(9), 4))))"
    )
    done = run_python(code, cwd=tmp_path, pythonpath=CHECKOUT, forked=True)
    assert done.stdout == "3\n", done.stderr


def test_its_repr_says_where_it_stands_and_holds_no_address() -> None:
    sampler = ElasticBatchSampler(range(53), 10, seed=7, rank=1, world_size=2)
    first(sampler, 3)
    assert repr(sampler) == (
        "ElasticBatchSampler(53 rows, batch_size=10, seed=7, rank 1 of 2, epoch 0 after 3 batches)"
    )


def test_infinite_numbers_in_a_state_are_no_state() -> None:
    sampler = ElasticBatchSampler(PATIENTS, 4)
    for name in ("seed", "epoch"):
        with pytest.raises(ResumeError, match="no state of an ElasticBatchSampler"):
            sampler.load_state_dict({**sampler.state_dict(), name: float("inf")})


def test_weights_whose_sum_is_infinite_count_by_their_ratios() -> None:
    huge = ElasticBatchSampler(PATIENTS, 4, weights=[1e308] * ROWS)
    assert list(huge) == list(ElasticBatchSampler(PATIENTS, 4, weights=[1.0] * ROWS))


def test_ragged_weights_and_a_column_of_lists_are_refused() -> None:
    with pytest.raises(OptionError, match="weights is of lists of several lengths"):
        ElasticBatchSampler(PATIENTS, 4, weights=[[1], [1, 2]])  # type: ignore[list-item]
    lists = Dataset.from_dict({"study_id": [[1], [2]]})
    with pytest.raises(OptionError, match=r"by='study_id': that column holds list"):
        ElasticBatchSampler(lists, 2, by="study_id")
