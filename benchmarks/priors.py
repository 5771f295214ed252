"""What does an earlier study for each row add to a build of the whole release?

The build is that of build.py. `priors=1` adds the columns of earlier studies: ids, days, texts and
addresses of images. The tables of release.py are in the order of patients, as the real ones are.
CXR_BENCH_PART=0.333333 takes a third of the release.
"""

from __future__ import annotations

from build import build
from harness import Ratio, main
from release import full_release

CONFIGS = ("images", "studies", "reports")
CONTENDERS = {
    f"{config}{told}": lambda config=config, asked=asked: build(config, priors=asked)
    for config in CONFIGS
    for told, asked in (("", 0), (", priors=1", 1))
}
RATIOS = [
    Ratio(f"{config}: with priors=1 / without", f"{config}, priors=1", config, "<= 1.15")
    for config in CONFIGS
]

if __name__ == "__main__":
    full_release()
    main("earlier studies in a build of the whole release", CONTENDERS, RATIOS, rounds=3)
