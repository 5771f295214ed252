"""How soon does the first batch of a shuffled epoch come, fresh and resumed in its middle?

Over the ids of a release of full size: 377,110 images in studies and of patients as many as in
MIMIC-CXR-JPG. Measured from the start of the loader, the dataset being open: the sampler is made,
and the first batch is read, which is of ids here and of no images. The peer is torch's own
`RandomSampler` in a `BatchSampler`, which makes the whole order at the start, and resumes by
drawing what was done. Needs torch for the peer.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any

import datasets
import numpy as np

try:
    import torch
    from torch.utils.data import BatchSampler, DataLoader, RandomSampler
except ImportError:
    raise SystemExit("order.py needs torch: install the build your machine wants") from None
from harness import Ratio, main

from cxr_datasets.training import ElasticBatchSampler

IMAGES, STUDIES, PATIENTS = 377_110, 227_835, 65_379
BATCH = 256
MIDDLE = IMAGES // BATCH // 2
TIMES = 15


def _ids() -> datasets.Dataset:
    """Ids as many as in the release, some studies and patients with many images, most with few."""
    dice = np.random.default_rng(0)
    of_study = np.sort(np.concatenate([np.arange(STUDIES), _more(dice, STUDIES, IMAGES)]))
    of_patient = np.sort(np.concatenate([np.arange(PATIENTS), _more(dice, PATIENTS, STUDIES)]))
    random.seed(0)
    columns = {
        "image_id": [f"{random.getrandbits(160):040x}" for _ in range(IMAGES)],
        "study_id": 50_000_000 + of_study,
        "subject_id": 10_000_000 + of_patient[of_study],
    }
    return datasets.Dataset.from_dict(columns)


def _more(dice: np.random.Generator, groups: int, rows: int) -> np.ndarray:
    return dice.choice(groups, rows - groups, p=(shares := dice.random(groups) ** 3) / shares.sum())


def _median(work: Callable[[], object]) -> float:
    """Median seconds of some runs in one process, the first left out.

    It is processor time: all of it is computing in one thread, and other processes do not count.
    """
    times = []
    for _ in range(TIMES + 1):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times[1:])


def _options(kind: str, rows: datasets.Dataset) -> dict[str, Any]:
    if kind == "weights":
        return {"weights": np.random.default_rng(1).random(len(rows))}
    return {} if kind == "plain" else {"by": kind}


def _read(rows: datasets.Dataset, batches: Any) -> None:
    next(iter(DataLoader(rows, batch_sampler=batches, collate_fn=list)))  # type: ignore[arg-type]


def fresh(kind: str) -> float:
    """From making the sampler to the first batch."""
    rows = _ids()
    options = _options(kind, rows)
    return _median(lambda: _read(rows, ElasticBatchSampler(rows, BATCH, **options)))


def resumed(kind: str) -> float:
    """The same, with a state of the middle of an epoch loaded."""
    rows = _ids()
    options = _options(kind, rows)
    sampler = ElasticBatchSampler(rows, BATCH, **options)
    next(islice(sampler, MIDDLE, None))
    state = sampler.state_dict()

    def work() -> None:
        again = ElasticBatchSampler(rows, BATCH, **options)
        again.load_state_dict(state)
        _read(rows, again)

    return _median(work)


def of_torch(batches: int) -> float:
    """The sampler of torch itself, from the start to a batch."""
    rows = _ids()

    def work() -> None:
        order = RandomSampler(rows, generator=torch.Generator())  # type: ignore[arg-type]
        _read(rows, islice(BatchSampler(order, BATCH, drop_last=False), batches, None))

    return _median(work)


KINDS = ("plain", "weights", "subject_id", "study_id")
CONTENDERS = {
    "torch": partial(of_torch, 0),
    "torch, resumed": partial(of_torch, MIDDLE),
    **{kind: partial(fresh, kind) for kind in KINDS},
    **{f"{kind}, resumed": partial(resumed, kind) for kind in KINDS},
}

if __name__ == "__main__":
    RATIOS = [
        *(Ratio(f"{kind}, resumed / fresh", f"{kind}, resumed", kind, "<= 1.2") for kind in KINDS),
        *(Ratio(f"torch / {kind}", "torch", kind) for kind in KINDS),
        Ratio("torch / plain, both resumed", "torch, resumed", "plain, resumed"),
    ]
    main("first batch of 377,110 rows; fresh: at most 0.050 s", CONTENDERS, RATIOS, rounds=3)
