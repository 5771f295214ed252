"""CheXpert-v1.0-small: 223,648 chest radiographs of 64,740 patients, made smaller, with labels.

The data are read from a user's own copy and nothing of them is here. See README.md beside this
file for the columns.
"""

from __future__ import annotations

import datasets

from chexpert_small.release import HOMEPAGE, ChexpertRelease, open_release
from cxr_datasets.builder import Column, CxrBuilder, CxrConfig
from cxr_datasets.columns import CONFIGS


class ChexpertSmall(CxrBuilder):
    """Builder of CheXpert-v1.0-small."""

    BUILDER_CONFIGS = [CxrConfig(name=name, version=CxrBuilder.VERSION) for name in CONFIGS]

    RAW_VIEWS = ("AP", "PA", "LL", "RL")
    RAW_VIEW_COLUMN = "view_position"
    COLUMNS = (
        Column("view_position", datasets.Value("string"), "image", "`AP/PA`, or `Frontal/Lateral`"),
        Column("sex", datasets.Value("string"), "study", "`Sex`"),
        Column("age", datasets.Value("int32"), "study", "`Age`, in years"),
    )

    MEAN_IMAGE_BYTES = 50_000  # 11 GB of 223,648 images
    IMAGE_SUFFIX = ".jpg"

    INFO = {
        "description": "Chest radiographs with labels from reports, in small images.",
        "homepage": HOMEPAGE,
        "license": "Stanford University Dataset Research Use Agreement",
        "citation": (
            "Irvin J, Rajpurkar P, et al. CheXpert: a large chest radiograph dataset with "
            "uncertainty labels and expert comparison. AAAI 2019;33(1):590-597. "
            "doi:10.1609/aaai.v33i01.3301590"
        ),
    }
    AGREEMENT = HOMEPAGE

    def open_release(self, config: CxrConfig) -> ChexpertRelease:
        """Find the two tables."""
        return open_release(config.data_dir, self.options, config.connections)
