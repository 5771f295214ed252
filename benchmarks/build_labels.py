"""What do labels read from 227,835 reports add to a build of the whole release?

The build is that of build.py. `labels_text=True` adds a column that rules read from the section of
each report that the release's own labels were read from. It is asked twice. `prose` are the reports
of prose.py: sentences of many parts, of the length of real ones, which repeat no more than those of
Indiana do. `stock` are those of release.py, 4,000 invented reports, each filled up with words of
its own: the rules know most of their sentences.

With `CXR_BENCH_CLOCK=processor` it counts processor time; with `CXR_BENCH_PART=0.1` it builds that
share of the release. The release of a contender is made at its first run, which takes minutes.
"""

from __future__ import annotations

from build import build
from harness import Ratio, main
from release import full_release, release_of_prose

RELEASES = {"prose": release_of_prose, "stock": full_release}
PAIRS = [(config, texts) for texts in RELEASES for config in ("images", "reports")]

CONTENDERS = {
    f"{config}, {texts}{told}": lambda config=config, texts=texts, asked=asked: build(
        config, release=RELEASES[texts], labels_text=asked
    )
    for config, texts in PAIRS
    for told, asked in (("", False), (", labels_text", True))
}
RATIOS = [
    Ratio(
        f"{config}, {texts}: with labels_text / without",
        f"{config}, {texts}, labels_text",
        f"{config}, {texts}",
        "<= 1.5",
    )
    for config, texts in PAIRS
]

if __name__ == "__main__":
    main("labels from text in a build of the whole release", CONTENDERS, RATIOS, rounds=3)
