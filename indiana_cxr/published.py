"""What the Indiana collection on Kaggle has: its two tables, and how many rows and images."""

from __future__ import annotations

from itertools import product

from cxr_datasets.builder import Counts, Published, PublishedTable

PROJECTIONS = "indiana_projections.csv"
REPORTS = "indiana_reports.csv"

_KAGGLEHUB = ("", *(f"{folder}chest-xrays-indiana-university/" for folder in ("", "raddar/",
              "datasets/raddar/", "kagglehub/datasets/raddar/")))  # fmt: skip
_VERSIONS = ("2", "1")
"""Where kagglehub puts the release below its own folders, and the versions that it has."""

PUBLISHED = Published(
    versions=("2",),
    tables=(
        PublishedTable(
            "projections",
            (PROJECTIONS,),
            rows={"2": 7_466},
            sha256={"2": "7af9c8a6b4f8ae695c654ecd4208edd193a37892a5607b7cb9e609dc997e6b7a"},
            required=True,
        ),
        PublishedTable(
            "reports",
            (REPORTS,),
            rows={"2": 3_851},
            sha256={"2": "cd7257716f7be4aaf46e55a9ea266b69095372a2f23dc0e19e32a95b0f02e2e6"},
            required=True,
        ),
    ),
    # The release names no patients, and its studies are in no split.
    counts={"2": {"all": Counts(images=7_466, studies=3_851, patients=3_851)}},
    folders=tuple(f"{folder}versions/{version}" for folder, version in product(
        _KAGGLEHUB, _VERSIONS
    )),
    unlisted=4,  # known to be broken, or badly turned
)  # fmt: skip
