"""How fast do rules read labels from reports, against a lone search for their words?

Every text must be looked at once: `re` that finds the words of all of them is what pure Python
cannot go below, but by not looking at what it knows already. The reports are invented, with places,
sizes and dates that differ; "known" reads the same ones a second time in the process.
"""

from __future__ import annotations

import random
import re
import time
from functools import cache

from harness import Ratio, main

from cxr_datasets.labels import label_text, label_texts
from mimic_cxr_jpg.synthetic.sentences import FINDINGS, findings, impression

REPORTS = 20_000
_WORD = re.compile(r"[A-Za-z0-9]+")


@cache
def texts() -> list[str]:
    """Invented findings and impressions, each of its own labels, sizes and dates."""
    rng = random.Random(0)
    found = []
    for number in range(REPORTS):
        labels = {name: rng.choice((1, 0, -1)) for name in FINDINGS if rng.random() < 0.4}
        date = f"{number % 28 + 1}/{number}"
        text = f"{findings(labels, rng)} Compared with {date}. {impression(labels, rng)}"
        found.append(re.sub(r"\bsmall\b", lambda _: f"{rng.randrange(90)} mm", text))
    return found


def timed(work: object) -> float:
    """Seconds of a core that the work takes alone, with a vocabulary that is loaded."""
    some = texts()
    label_text("")
    start = time.process_time()
    work(some)  # type: ignore[operator]
    return time.process_time() - start


def known(some: list[str]) -> float:
    """Seconds of a core that a second reading takes."""
    label_texts(some)
    start = time.process_time()
    label_texts(some)
    return time.process_time() - start


CONTENDERS = {
    "label_texts": lambda: timed(label_texts),
    "label_texts, known": lambda: known(texts()),
    "label_text, one by one": lambda: timed(lambda some: [label_text(text) for text in some]),
    "words alone": lambda: timed(lambda some: [_WORD.findall(text) for text in some]),
}
RATIOS = [
    Ratio("label_texts / words alone", "label_texts", "words alone", "<= 8"),
    Ratio("label_text / label_texts", "label_text, one by one", "label_texts"),
]

if __name__ == "__main__":
    medians = main(f"labels of {REPORTS:,} invented reports", CONTENDERS, RATIOS)
    for name, seconds in medians.items():
        print(f"{name}: {REPORTS / seconds:,.0f} reports/s")
