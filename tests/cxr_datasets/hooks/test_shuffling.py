"""A shuffled stream: rows from the whole index, the same for the same seed, resumed exactly."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import chain, islice
from pathlib import Path
from random import Random
from typing import Any

import datasets
import numpy as np
import pytest
from datasets import (
    Dataset,
    IterableDataset,
    concatenate_datasets,
    interleave_datasets,
    load_dataset,
)
from datasets.distributed import split_dataset_by_node
from packaging.version import Version

import indiana_cxr  # noqa: F401
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.errors import OptionError, ResumeError
from cxr_datasets.hooks import shuffling
from cxr_datasets.testing import copy_release

VERSION = Version(datasets.__version__)

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
needs_torchdata = pytest.mark.skipif(
    find_spec("torch") is None or find_spec("torchdata") is None,
    reason="torch or torchdata is not installed",
)
filters_resume = pytest.mark.skipif(Version("5.2") > VERSION, reason="`datasets` loses their rows")
maps_resume = pytest.mark.skipif(Version("4") > VERSION, reason="`datasets` loses their rows")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("shuffling"))


@pytest.fixture(scope="module")
def images(small_release: Path, cache: str) -> IterableDataset:
    """The training split of config `images`."""
    return load(small_release, cache)


@pytest.fixture(scope="module")
def rows(images: IterableDataset) -> IterableDataset:
    """As `images`, without pixels."""
    return images.select_columns(["image_id", "study_id", "view"])


@pytest.fixture(scope="module")
def index(rows: IterableDataset) -> list[str]:
    """The ids of the rows in the order of the index."""
    return ids(rows)


def load(release: Path, cache: str, config: str = "images", **options: Any) -> IterableDataset:
    options = {"split": "train", "streaming": True, **options}
    return load_dataset("mimic_cxr_jpg", config, data_dir=str(release), cache_dir=cache, **options)


def ids(rows: Iterable[dict[str, Any]]) -> list[str]:
    return [str(row["image_id"]) for row in rows]


def test_each_row_comes_once_in_an_order_of_the_seed(
    rows: IterableDataset, index: list[str]
) -> None:
    first = ids(rows.shuffle(seed=1))
    assert sorted(first) == sorted(index)
    assert first != index
    assert ids(rows.shuffle(seed=1)) == first
    assert ids(rows.shuffle(generator=np.random.default_rng(1))) == first
    assert ids(rows.shuffle(seed=2)) != first
    assert sorted(ids(rows.shuffle())) == sorted(index)


def test_the_buffer_has_no_part_in_it(rows: IterableDataset) -> None:
    assert ids(rows.shuffle(1, None, 1)) == ids(rows.shuffle(seed=1, buffer_size=10_000))


@pytest.mark.parametrize("seed", [-1, 2.5, "one"])
def test_a_seed_that_is_none_is_refused(rows: IterableDataset, seed: Any) -> None:
    for shuffle in (lambda: rows.shuffle(seed), lambda: rows.shuffle(seed=seed)):
        with pytest.raises(OptionError, match=rf"seed={seed!r} is no seed.*whole number from 0 on"):
            shuffle()
    with pytest.raises((ValueError, TypeError)) as caught:  # another's stream: as datasets has it
        Dataset.from_dict({"row": [1]}).to_iterable_dataset().shuffle(seed=seed)
    assert not isinstance(caught.value, OptionError)


def test_an_order_stays_the_same_for_ever(rows: IterableDataset, index: list[str]) -> None:
    """A run is resumed with a newer version."""
    first = [index.index(id) for id in ids(rows.shuffle(seed=42).take(6))]
    assert (len(index), first) == FIRST_SIX


FIRST_SIX = (33, [8, 10, 19, 31, 20, 14])


def test_rows_come_from_the_whole_index_at_once(rows: IterableDataset, index: list[str]) -> None:
    """A buffer of so few rows would give those at the start of the index."""
    found = [
        np.mean([index.index(id) for id in ids(rows.shuffle(seed, buffer_size=2).take(4))])
        for seed in range(30)
    ]
    assert abs(np.mean(found) / (len(index) - 1) - 0.5) < 0.12


def test_each_epoch_has_an_order_of_its_own(rows: IterableDataset, index: list[str]) -> None:
    shuffled = rows.shuffle(seed=1)
    orders = []
    for epoch in (0, 1, 2, 1):
        shuffled.set_epoch(epoch)
        orders.append(ids(shuffled))
        assert sorted(orders[-1]) == sorted(index)
    assert len(set(map(tuple, orders))) == 3
    assert orders[1] == orders[3]


def test_the_pixels_and_columns_belong_to_the_row(small_release: Path, cache: str) -> None:
    """Images come by path, or as bytes and read ahead, several tables at a time."""
    built = load(small_release, cache, streaming=False)
    expected = {row["image_id"]: row for row in built}
    for embed in (False, True):
        found = list(load(small_release, cache, embed=embed).shuffle(seed=3))
        assert {row["image_id"]: row for row in found} == expected


@pytest.mark.parametrize("config", ["studies", "reports"])
def test_other_configs_are_shuffled_alike(small_release: Path, cache: str, config: str) -> None:
    stream = load(small_release, cache, config)
    if config == "studies":
        stream = stream.remove_columns("images")
    found, expected = list(stream.shuffle(seed=1)), list(stream)
    assert found != expected
    assert sorted(found, key=study_id) == sorted(expected, key=study_id)


def study_id(row: dict[str, Any]) -> int:
    return int(row["study_id"])


def test_all_splits_are_shuffled_at_once(small_release: Path, cache: str) -> None:
    splits = load(small_release, cache, split=None)
    shuffled = splits.shuffle(seed=1)
    assert ids(shuffled["train"]) == ids(splits["train"].shuffle(seed=1))


def test_rows_that_the_options_leave_out_stay_out(
    small_release: Path, tmp_path: Path, index: list[str]
) -> None:
    release = copy_release(small_release, tmp_path / "release")
    built = load(release, str(tmp_path / "first"), streaming=False)
    for path in built["path"][::3]:
        (release / path).unlink()  # it may be a link to the original
        (release / path).write_bytes(b"no image" * 9)
    stream = load(release, str(tmp_path / "second"), damaged="skip", embed=True).shuffle(seed=1)
    assert sorted(ids(stream)) == sorted(set(built["image_id"]) - set(built["image_id"][::3]))
    assert len(ids(stream.take(9))) == 9
    resumes_everywhere(lambda: stream.select_columns(["image_id", "image"]), places=[1, 8, 20])


# --- resuming -------------------------------------------------------------------------------------


def resumes_everywhere(
    make: Callable[[], IterableDataset], epoch: int = 0, places: Iterable[int] | None = None
) -> list[str]:
    """Stop a stream after some rows, go on from its state, and compare; gives its rows."""
    whole = ids(at(make(), epoch))
    for stop in range(len(whole) + 1) if places is None else places:
        stream = at(make(), epoch)
        seen = ids(islice(stream, stop))
        state = json.loads(json.dumps(stream.state_dict()))
        again = at(make(), epoch)
        again.load_state_dict(state)
        assert seen + ids(again) == whole, stop
    return whole


def at(stream: IterableDataset, epoch: int) -> IterableDataset:
    stream.set_epoch(epoch)
    return stream


def starts_with_8(image_id: str) -> bool:
    return image_id < "8"


def with_length(row: dict[str, Any]) -> dict[str, Any]:
    return {"length": len(row["image_id"])}


STEPS: dict[str, Any] = {
    "nothing else": lambda rows: rows.shuffle(seed=1),
    "columns": lambda rows: rows.shuffle(seed=1).select_columns(["image_id"]),
    "format after": lambda rows: rows.shuffle(seed=1).with_format("numpy"),
    "format before": lambda rows: rows.with_format("numpy").shuffle(seed=1),
    "map after": pytest.param(
        lambda rows: rows.shuffle(seed=1).map(with_length), marks=maps_resume
    ),
    "map before": pytest.param(
        lambda rows: rows.map(with_length).shuffle(seed=1), marks=maps_resume
    ),
    "filter after": pytest.param(
        lambda rows: rows.shuffle(seed=1).filter(starts_with_8, input_columns="image_id"),
        marks=filters_resume,
    ),
    "filter before": pytest.param(
        lambda rows: rows.filter(starts_with_8, input_columns="image_id").shuffle(seed=1),
        marks=filters_resume,
    ),
    "take after": lambda rows: rows.shuffle(seed=1).take(20),
    "skip after": lambda rows: rows.shuffle(seed=1).skip(7),
    "take before": lambda rows: rows.take(20).shuffle(seed=1),
    "skip before": lambda rows: rows.skip(7).shuffle(seed=1),
    "skip, take and shuffle": lambda rows: rows.skip(3).take(20).shuffle(seed=1).skip(2).take(9),
    "twice": lambda rows: rows.shuffle(seed=1).shuffle(seed=2),
    "repeated": lambda rows: rows.shuffle(seed=1).repeat(2),
    "interleaved": lambda rows: interleave_datasets(
        [rows.shuffle(seed=1), rows.shuffle(seed=2)], probabilities=[0.3, 0.7], seed=3
    ),
    "concatenated": lambda rows: concatenate_datasets([rows.shuffle(seed=1), rows.shuffle(seed=2)]),
}


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(getattr(step, "values", [step])[0], marks=getattr(step, "marks", ()), id=name)
        for name, step in STEPS.items()
    ],
)
def test_a_stream_resumes_with_exactly_the_rest(rows: IterableDataset, steps: Any) -> None:
    small = rows.take(34)  # all of them; a stream of its own, whose state nothing else has
    assert resumes_everywhere(lambda: steps(rows), 0, [0, 1, 6, 17]) != ids(small)
    resumes_everywhere(lambda: steps(rows), 2, [8])


def test_a_state_taken_before_the_first_row_or_behind_the_last_is_right(
    rows: IterableDataset, index: list[str]
) -> None:
    state = rows.shuffle(seed=1).state_dict()
    again = rows.shuffle(seed=1)
    again.load_state_dict(state)
    assert sorted(ids(again)) == sorted(index)
    state = again.state_dict()
    again = rows.shuffle(seed=1)
    again.load_state_dict(state)
    assert ids(again) == []


def test_a_state_that_was_loaded_is_given_until_a_row_is_read(rows: IterableDataset) -> None:
    """A run may be stopped again before each of its workers had its turn."""
    shuffled = rows.shuffle(seed=1)
    whole = ids(shuffled)
    ids(islice(shuffled, 5))
    state = shuffled.state_dict()
    for _ in range(2):
        again = rows.shuffle(seed=1)
        again.load_state_dict(state)
        state = again.state_dict()
    assert ids(islice(again, 3)) == whole[5:8]
    assert again.state_dict() != state
    again.set_epoch(1)  # to which the state does not belong
    assert len(ids(again)) == len(whole)


def test_a_state_is_a_few_numbers(rows: IterableDataset) -> None:
    shuffled = rows.shuffle(seed=1)
    next(iter(shuffled))
    assert len(json.dumps(shuffled.state_dict())) < 1_500


@pytest.mark.parametrize(
    "other",
    [
        lambda rows: split_dataset_by_node(rows.shuffle(seed=2), 0, 2),
        lambda rows: split_dataset_by_node(rows.shuffle(seed=1), 1, 2),
        lambda rows: rows.shuffle(seed=1),
        lambda rows: split_dataset_by_node(rows.take(30).shuffle(seed=1), 0, 2),
    ],
    ids=["seed", "rank", "nodes", "rows"],
)
def test_a_state_of_another_order_is_refused(rows: IterableDataset, other: Any) -> None:
    """With `datasets` alone such a state loses rows, and gives others twice, in silence."""
    node = split_dataset_by_node(rows.shuffle(seed=1), 0, 2)
    ids(islice(node, 5))
    again = other(rows)
    again.load_state_dict(node.state_dict())
    with pytest.raises(ResumeError, match=r"expected one of 33 rows.*found one of 33 rows.*seed"):
        ids(again)


STEPS: dict[str, Any] = {
    "plain": lambda rows: rows,
    "shuffle": lambda rows: rows.shuffle(seed=1),
    "shuffle, take": lambda rows: rows.shuffle(seed=1).take(9),
    "shuffle, filter": lambda rows: rows.shuffle(seed=1).filter(bool),
}


def resumed(stream: IterableDataset, state: Any) -> list[str]:
    stream.load_state_dict(state)
    return ids(stream)


@pytest.mark.parametrize("steps", STEPS)
def test_a_state_of_other_steps_is_refused(rows: IterableDataset, steps: str) -> None:
    states: list[Any] = ["text", 5, [1], {"epoch": 0}, {"position": 3}]
    for name, make in STEPS.items():
        if name != steps:
            other = make(rows)
            ids(islice(other, 5))
            states.append(other.state_dict())
    for state in states:
        stream = STEPS[steps](rows)
        with pytest.raises(ResumeError, match=r"no state of this stream.*same steps"):
            resumed(stream, state)
    for nothing in (None, {}):
        assert resumed(STEPS[steps](rows), nothing) == ids(STEPS[steps](rows))


@pytest.mark.parametrize("place", [-1, 34, 10**9, 2.5, "3", None])
def test_a_state_of_a_place_that_is_none_is_refused(rows: IterableDataset, place: Any) -> None:
    """A place before the first row was looked for without end."""
    shuffled = rows.shuffle(seed=1)
    ids(islice(shuffled, 5))
    state = shuffled.state_dict()
    state["examples_iterable"]["position"] = place
    with pytest.raises(ResumeError, match="no state of this stream"):
        resumed(rows.shuffle(seed=1), state)


# --- cut into parts -------------------------------------------------------------------------------


def test_take_and_skip_split_the_rows_the_same_way_in_each_epoch(
    rows: IterableDataset, index: list[str]
) -> None:
    """So a validation set that was taken off stays apart from what is trained on."""
    shuffled = rows.shuffle(seed=1)
    whole = ids(shuffled)
    held_out, rest = shuffled.take(9), shuffled.skip(9)
    assert ids(held_out) == whole[:9]
    assert ids(rest) == whole[9:]
    for epoch in (1, 2):
        assert ids(at(rest, epoch)) != whole[9:]
        assert sorted(ids(at(rest, epoch))) == sorted(whole[9:])
        assert sorted(ids(at(held_out, epoch))) == sorted(whole[:9])


@pytest.mark.parametrize("cut", [0, 33, 40])
def test_take_and_skip_go_to_the_end_and_beyond(rows: IterableDataset, cut: int) -> None:
    whole = ids(rows.shuffle(seed=1))
    assert ids(rows.shuffle(seed=1).take(cut)) == whole[:cut]
    assert ids(rows.shuffle(seed=1).skip(cut)) == whole[cut:]


def test_shards_put_together_are_the_whole(rows: IterableDataset) -> None:
    shuffled = rows.shuffle(seed=1)
    whole = ids(shuffled)
    for count in (1, 2, 5):
        parts = [ids(shuffled.shard(count, number)) for number in range(count)]
        assert list(chain.from_iterable(parts)) == whole
        parts = [ids(shuffled.shard(count, number, contiguous=False)) for number in range(count)]
        assert parts == [whole[number::count] for number in range(count)]


@pytest.mark.parametrize("count", [2, 3, 4, 6, 8, 12, 24])
def test_rows_are_cut_into_shards_for_many_numbers_of_nodes(
    rows: IterableDataset, count: int
) -> None:
    assert rows.shuffle(seed=1).num_shards % count == 0


@needs_torch
@pytest.mark.parametrize("world", range(8))
def test_nodes_and_workers_give_each_row_once_whenever_they_are_stopped(
    rows: IterableDataset, index: list[str], world: int
) -> None:
    random = Random(world)
    nodes, workers = random.choice([1, 2, 3, 5, 8]), random.choice([0, 1, 2, 4, 7])
    epoch, split_first = random.choice([0, 1, 5]), random.random() < 0.5
    cut = random.choice([None, lambda stream: stream.skip(4)])
    found = []
    for rank in range(nodes):

        def make(rank: int = rank) -> IterableDataset:
            if split_first:
                stream = split_dataset_by_node(rows, rank, nodes).shuffle(seed=world)
            else:
                stream = split_dataset_by_node(rows.shuffle(seed=world), rank, nodes)
            return at(cut(stream) if cut else stream, epoch)

        for number in range(max(workers, 1)):
            with worker(number, workers):
                found += stopped_and_resumed(make, random)
    dropped = 4 if cut else 0
    assert len(found) == len(index) - dropped
    assert len(set(found)) == len(found)


def stopped_and_resumed(make: Callable[[], IterableDataset], random: Random) -> list[str]:
    """Read a stream in several goes; all of them together are compared with one go."""
    stream = make()
    whole = ids(stream)
    seen: list[str] = []
    state = None
    stops = 3 if VERSION.major > 3 else 1  # 3.6 itself counts wrong when it is stopped again
    for _ in range(stops):
        stream = make()
        if state:
            stream.load_state_dict(state)
        seen += ids(islice(stream, random.randrange(4)))
        state = stream.state_dict()
    stream = make()
    stream.load_state_dict(state or {})
    assert seen + ids(stream) == whole
    return whole


@contextmanager
def worker(number: int, count: int) -> Iterator[None]:
    """Let `datasets` take this process for a worker of a `DataLoader`; of none if there is none."""
    from torch.utils.data._utils import worker as torch_worker

    dataset: Any = None
    if count:
        torch_worker._worker_info = torch_worker.WorkerInfo(
            id=number, num_workers=count, seed=0, dataset=dataset
        )
    try:
        yield
    finally:
        torch_worker._worker_info = None


@needs_torchdata
@pytest.mark.parametrize("workers", [0, 1, 4])
def test_a_loader_resumes_with_exactly_the_rest(
    rows: IterableDataset, index: list[str], workers: int
) -> None:
    from torchdata.stateful_dataloader import StatefulDataLoader

    def loader() -> Any:
        node = split_dataset_by_node(rows.shuffle(seed=1), rank=1, world_size=2)
        return StatefulDataLoader(
            node.select_columns(["image_id"]), batch_size=2, num_workers=workers
        )

    whole = [batch["image_id"] for batch in loader()]
    stopped = loader()
    seen = [batch["image_id"] for batch in islice(stopped, 3)]
    for _ in range(2):  # the second time before each worker had its turn
        state = pickle.loads(pickle.dumps(stopped.state_dict()))
        stopped = loader()
        stopped.load_state_dict(state)
        seen += [batch["image_id"] for batch in islice(stopped, 1)]
    resumed = loader()
    resumed.load_state_dict(stopped.state_dict())
    assert seen + [batch["image_id"] for batch in resumed] == whole
    assert sorted(chain.from_iterable(whole)) == sorted(ids(rows.shuffle(seed=1))[1::2])


def test_what_a_worker_is_sent_is_small(rows: IterableDataset) -> None:
    shuffled = rows.shuffle(seed=1)
    carried = pickle.dumps(shuffled)
    assert len(carried) < 10_000
    assert ids(pickle.loads(carried)) == ids(shuffled)


# --- what stays as it was -------------------------------------------------------------------------


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Gives the warnings that rows may be lost."""
    caplog.set_level(logging.WARNING)
    return lambda: [
        record.getMessage() for record in caplog.records if "resumes" in record.getMessage()
    ]


STAYS: dict[str, Any] = {
    "concatenated first": lambda rows: concatenate_datasets([rows.take(20), rows.skip(20)]),
    "batched map": lambda rows: rows.map(lambda batch: batch, batched=True, batch_size=4),
    "numbered": lambda rows: rows.map(lambda row, number: {"number": number}, with_indices=True),
}


@pytest.mark.parametrize("before", STAYS.values(), ids=STAYS)
def test_rows_that_cannot_be_drawn_are_shuffled_as_before_and_one_warning_says_it(
    rows: IterableDataset, index: list[str], before: Any, told: Callable[[], list[str]]
) -> None:
    shuffled = before(rows).shuffle(seed=1, buffer_size=8)
    assert sorted(ids(shuffled)) == sorted(index)
    assert not told()
    for _ in range(3):
        shuffled.state_dict()
    (line,) = told()
    assert "lost" in line
    assert "shuffle first" in line


def test_internals_that_do_not_allow_it_leave_all_as_before_but_for_a_warning(
    rows: IterableDataset,
    index: list[str],
    told: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shuffling, "allows_it", lambda shuffled: False)
    shuffled = rows.shuffle(seed=1, buffer_size=8)
    assert sorted(ids(shuffled)) == sorted(index)
    assert ids(shuffled) != ids(rows.shuffle(seed=1, buffer_size=9))
    assert not told()
    shuffled.state_dict()
    shuffled.state_dict()
    assert len(told()) == 1


def numbers() -> Iterator[dict[str, int]]:
    yield from ({"number": number} for number in range(40))


OTHERS: dict[str, Callable[[], IterableDataset]] = {
    "generator": lambda: IterableDataset.from_generator(numbers),
    "built": lambda: Dataset.from_dict({"number": range(40)}).to_iterable_dataset(4),
}


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_other_streams_are_shuffled_cut_and_resumed_as_datasets_does(
    make: Callable[[], IterableDataset],
    told: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def used(stream: IterableDataset) -> list[Any]:
        shuffled = stream.shuffle(seed=1, buffer_size=5)
        steps = [type(shuffled._ex_iterable).__name__, shuffled.state_dict()]
        cut = [list(shuffled.take(7)), list(shuffled.skip(7)), list(stream.take(7))]
        node = list(split_dataset_by_node(stream, 1, 3))
        return [*steps, *cut, node, list(at(shuffled, 1))]

    found = used(make())
    for owner, names in CHANGED.items():
        for name in names:
            monkeypatch.setattr(owner, name, getattr(owner, name).__wrapped__)
    assert used(make()) == found
    assert found[0] == "BufferShuffledExamplesIterable"
    assert not told()


CHANGED: dict[Any, tuple[str, ...]] = {
    IterableDataset: ("shuffle", "state_dict", "load_state_dict"),
    shuffling.TakeExamplesIterable: ("__init__",),
    shuffling.SkipExamplesIterable: ("__init__",),
    shuffling.StepExamplesIterable: ("__init__",),
}
