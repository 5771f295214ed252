"""The Indiana University chest X-ray collection, as released on Kaggle.

7,466 listed PNGs of 3,851 studies, each with one report and the codes human indexers gave it.
Every study is another patient's. See README.md beside this file for the columns and options.
"""

from __future__ import annotations

from dataclasses import dataclass

import datasets

from cxr_datasets.builder.builder import CxrBuilder
from cxr_datasets.builder.config import CxrConfig
from cxr_datasets.builder.features import Column
from cxr_datasets.columns import CONFIGS
from cxr_datasets.errors import OptionError
from indiana_cxr.release import IndianaRelease, open_release
from indiana_cxr.splits import SPLITTERS


@dataclass
class IndianaCxrConfig(CxrConfig):
    """Options of `CxrConfig`, and how to split.

    Attributes:
        split_by: None puts all in `train`, for Kaggle gives no splits. `r2gen` uses the lists of
            most papers on report generation (2,069 / 296 / 590 studies; other studies are left
            out), `hash` puts each study in one of three by a hash of its uid, 70 / 10 / 20.
    """

    split_by: str | None = None

    def check(self, raw_views: tuple[str, ...]) -> None:
        """Check the options' values.

        Raises:
            OptionError: One of them is not known.
        """
        super().check(raw_views)
        if self.split_by not in (None, *SPLITTERS):
            raise OptionError.unknown("split_by", self.split_by, (None, *SPLITTERS))


class IndianaCxr(CxrBuilder):
    """Builder of the Indiana University collection."""

    BUILDER_CONFIG_CLASS = IndianaCxrConfig
    BUILDER_CONFIGS = [IndianaCxrConfig(name=name, version=CxrBuilder.VERSION) for name in CONFIGS]

    IMAGE_SUFFIX = ".dcm.png"

    COLUMNS = (
        # From indiana_reports.csv: MeSH, Problems, and `image`, the exam in the words of the site.
        Column("mesh", [datasets.Value("string")], "study"),
        Column("problems", [datasets.Value("string")], "study"),
        Column("procedure", datasets.Value("string"), "study"),
    )

    INFO = {
        "description": "Chest radiographs of 3,851 studies with their reports, de-identified.",
        "homepage": "https://www.kaggle.com/datasets/raddar/chest-xrays-indiana-university",
        "license": "CC BY-NC-ND 4.0",
        "citation": (
            "Demner-Fushman D, et al. Preparing a collection of radiology examinations for "
            "distribution and retrieval. J Am Med Inform Assoc 2016;23(2):304-310. "
            "doi:10.1093/jamia/ocv080"
        ),
    }

    def open_release(self, config: IndianaCxrConfig) -> IndianaRelease:
        """Find the two tables and the folder of images."""
        return open_release(config.data_dir, config.split_by, self.options, config.connections)
