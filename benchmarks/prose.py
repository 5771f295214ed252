"""Invented prose of reports that repeats itself no more than that of radiologists does.

    python benchmarks/prose.py

prints how much of it is there only once, and with `$CXR_INDIANA_DIR` the same of the findings and
impressions of Indiana: counts, no text. Sentences are put together from parts (finding, place,
side, degree, size, doubt, change), a few in a report. Radiologists also write some sentences, and
whole impressions, again and again; so `STOCK_SENTENCES` and `STOCK_IMPRESSIONS` of them are drawn
from a stock, some far more often than others.
"""

from __future__ import annotations

import csv
import os
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

STOCK_SENTENCES = 0.3
"""Share of sentences from a stock; of those of Indiana's findings, 64 % are repeats."""

STOCK_IMPRESSIONS = 0.45
"""Share of whole impressions from a stock; of Indiana's 3,820, 54 % are repeats."""

_STOCK = 1_000
"""Sentences, and impressions, in the stock. The n-th of them is drawn in proportion to 1 / n."""

_SIDES = ("left", "right", "bilateral", "left greater than right", "right-sided", "left-sided", "")
_DEGREES = (
    *("mild", "moderate", "severe", "minimal", "trace", "small", "large", "tiny", "extensive"),
    *("subtle", "marked", "mild-to-moderate", "faint", "dense", "", "", ""),
)
_PLACES = (
    *("in the upper lobe", "in the lower lobe", "at the base", "in the mid lung", "at the apex"),
    *("in the lingula", "in the retrocardiac region", "in the perihilar region", "laterally"),
    *("along the minor fissure", "in the costophrenic angle", "projecting over the sixth rib"),
    *("best seen on the lateral view", "posteriorly", "adjacent to the hilum", "at the periphery"),
)
_FINDINGS = (
    *("pleural effusion", "layering effusion", "effusion with adjacent atelectasis", "atelectasis"),
    *("linear atelectasis", "consolidation", "airspace opacity", "opacity", "hilar prominence"),
    *("patchy opacity", "hazy opacity", "interstitial opacities", "reticular pattern", "scar"),
    *("infiltrate", "pneumonia", "bronchopneumonia", "pulmonary edema", "interstitial edema"),
    *("vascular congestion", "pneumothorax", "hydropneumothorax", "pulmonary nodule", "mass"),
    *("calcified granuloma", "cavitary lesion", "pleural thickening", "pleural plaque", "fracture"),
    *("healed rib fractures", "compression deformity", "volume loss"),
    *("peribronchial cuffing", "emphysematous change", "hyperinflation", "subcutaneous emphysema"),
)
_DOUBTS = (
    *("", "", "", "", "", " is possible", " cannot be excluded", " is suspected", " is likely"),
    *(" may be present", ", likely chronic", ", probably postoperative", " is hard to exclude"),
    *(", which may represent aspiration", ", concerning for infection", " versus artifact"),
    *(", compatible with the clinical history", ", likely due to low lung volumes"),
)
_CHANGES = (
    *("", "", "", "", " is unchanged", " has increased", " has decreased since the prior study"),
    *(" is new from the prior examination", " has slightly worsened", " has nearly resolved"),
    *(" is similar in size to ___", " persists", " is again noted", " has improved since ___"),
    *(", previously measuring {n} mm", ", stable over {n} months", " compared with ___"),
)
_OPENINGS = (
    *("There is", "There is a", "Again seen is", "New", "Stable", "Worsening", "Persistent", ""),
    *("Redemonstrated is", "Interval development of", "Slight interval increase in", "Improved"),
    *("As compared to the prior study, there is", "Compared with ___ there is", "Possible"),
    *("Findings suggest", "Note is made of", "Suspected", "No", "No evidence of", "Without"),
)
_DEVICES = (
    *("endotracheal tube", "nasogastric tube", "right internal jugular line", "left PICC"),
    *("dual-lead pacemaker", "chest tube", "Swan-Ganz catheter", "port", "feeding tube", "stent"),
    *("tracheostomy tube", "Dobbhoff tube", "left subclavian catheter", "sternal wires"),
)
_ENDINGS = (
    *("terminates {n} cm above the carina", "tip projects over the mid SVC", "is unchanged"),
    *("ends in the stomach", "has been removed", "is coiled in the esophagus", "is in place"),
    *("has been advanced by {n} mm", "projects over the cavoatrial junction", "appears intact"),
)
_STRUCTURES = (
    *("heart", "heart size", "cardiac silhouette", "cardiomediastinal silhouette", "mediastinum"),
    *("mediastinal contour", "hilar contours", "aorta", "pulmonary vasculature", "trachea"),
    *("left hemidiaphragm", "thoracic spine", "osseous structures", "lung volumes", "lungs"),
)
_QUALITIES = (
    *("normal", "mildly enlarged", "moderately enlarged", "unremarkable", "stable", "unchanged"),
    *("within normal limits", "borderline enlarged", "tortuous", "clear", "prominent", "low"),
    *("at the upper limits of normal", "grossly intact", "similar to the prior study", "obscured"),
)
_ADVICE = (
    *("Follow-up radiographs in {n} weeks are advised", "Clinical correlation is recommended"),
    *("CT of the chest could be obtained for further evaluation", "Discussed with Dr. ___ at ___"),
    *("Evaluation is limited by patient rotation", "Recommend repeat PA and lateral views"),
)


class Prose(NamedTuple):
    """What one report tells."""

    findings: str
    impression: str


def write(count: int, seed: int = 0) -> Iterator[Prose]:
    """Write reports; their findings have about 190 characters, their impressions 100."""
    rng = random.Random(seed)
    stock = [_sentence(rng) for _ in range(_STOCK)]
    sentence = _often_from(stock, STOCK_SENTENCES, lambda: _sentence(rng), rng)

    def impression() -> str:
        said = [sentence() for _ in range(rng.choice((1, 1, 1, 2, 2)))]
        if len(said) > 1 and rng.random() < 0.4:
            said = [f"{number}. {one}" for number, one in enumerate(said, start=1)]
        return " ".join(said)

    whole = [impression() for _ in range(_STOCK)]
    impressions = _often_from(whole, STOCK_IMPRESSIONS, impression, rng)
    for _ in range(count):
        findings = " ".join(sentence() for _ in range(rng.choice((2, 2, 3, 3))))
        yield Prose(findings, impressions())


def _often_from(
    stock: Sequence[str], share: float, new: Callable[[], str], rng: random.Random
) -> Callable[[], str]:
    weights = list(accumulate(1 / rank for rank in range(1, len(stock) + 1)))
    return lambda: rng.choices(stock, cum_weights=weights)[0] if rng.random() < share else new()


def _sentence(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.5:
        told = _finding(rng)
    elif kind < 0.65:
        told = f"No {', '.join(rng.sample(_FINDINGS, rng.choice((1, 2, 2))))}, or "
        told += f"{rng.choice(_SIDES)} {rng.choice(_FINDINGS)}"
    elif kind < 0.78:
        told = f"{rng.choice(_DEVICES)} {rng.choice(_ENDINGS)}"
    elif kind < 0.93:
        first, second = rng.sample(_STRUCTURES, 2)
        told = f"The {first} is {rng.choice(_QUALITIES)}"
        told += f", and the {second} is {rng.choice(_QUALITIES)}" if rng.random() < 0.5 else ""
    else:
        told = rng.choice(_ADVICE)
    told = " ".join(told.format(n=rng.randint(2, 48)).split())
    return f"{told[0].upper()}{told[1:]}."


def _finding(rng: random.Random) -> str:
    parts = (_OPENINGS, _DEGREES, _SIDES, _FINDINGS, _PLACES)
    end = rng.choice((_DOUBTS, _CHANGES))
    told = " ".join(rng.choice(part) for part in parts)
    if rng.random() < 0.3:
        told += f" and {rng.choice(_DEGREES)} {rng.choice(_FINDINGS)}"
    return f"{told}{rng.choice(end)}"


# --- how much repeats -----------------------------------------------------------------------------


def _tell(name: str, texts: Sequence[str]) -> None:
    texts = [text.strip() for text in texts if text.strip()]
    sentences = [one for text in texts for one in text.replace(". ", ".\n").split("\n") if one]
    length = sum(map(len, texts)) / len(texts)
    print(
        f"{name:22} {len(texts):7,} texts of {length:.0f} characters, "
        f"{len({*texts}) / len(texts):.0%} of them different; {len(sentences):,} sentences, "
        f"{len({*sentences}) / len(sentences):.0%} different"
    )


def _tell_all() -> None:
    for count in (3_820, 227_835):
        reports = list(write(count))
        _tell("invented findings", [report.findings for report in reports])
        _tell("invented impressions", [report.impression for report in reports])
    real = os.environ.get("CXR_INDIANA_DIR")
    if real:
        with open(Path(real, "indiana_reports.csv"), encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for name in ("findings", "impression"):
            _tell(f"Indiana's {name}", [row[name] for row in rows])


if __name__ == "__main__":
    _tell_all()
