"""What do labels read from 227,835 reports add to a build of the whole release?

The build is that of build.py. `labels_text=True` adds a column that rules read from the section of
each report that the release's own labels were read from. The reports are those of release.py:
4,000 invented ones, each filled up with words of its own, so that no text is there twice.
"""

from __future__ import annotations

from build import build
from harness import Ratio, main
from release import full_release

CONTENDERS = {
    f"{config}{told}": lambda config=config, asked=asked: build(config, labels_text=asked)
    for config in ("images", "reports")
    for told, asked in (("", False), (", labels_text", True))
}
RATIOS = [
    Ratio(f"{config}: with labels_text / without", f"{config}, labels_text", config, "<= 1.5")
    for config in ("images", "reports")
]

if __name__ == "__main__":
    full_release()
    main("labels from text in a build of the whole release", CONTENDERS, RATIOS, rounds=3)
