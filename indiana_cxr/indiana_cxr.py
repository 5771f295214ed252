"""The Indiana University chest X-rays, as released on Kaggle: 7,466 listed PNGs of 3,851 studies.

Each study has one report, and the MeSH codes that human indexers gave it, and is another patient's.
The README.md beside this file describes every column at length.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import datasets

from cxr_datasets.builder import (
    BY_PATIENT,
    Access,
    Column,
    CxrBuilder,
    CxrConfig,
    TaskNames,
    text_labels_column,
    text_labels_option,
)
from cxr_datasets.columns import CONFIGS
from cxr_datasets.errors import OptionError
from indiana_cxr.ids import ID_FORMS
from indiana_cxr.layouts import IMAGE_FORMS, PNG_SUFFIX, name_of_study
from indiana_cxr.mesh import DEFAULT_RULES
from indiana_cxr.mesh_rules import MESH_RULES
from indiana_cxr.published import PUBLISHED
from indiana_cxr.publisher import PUBLISHER
from indiana_cxr.release import HOMEPAGE, IndianaRelease, open_release
from indiana_cxr.splits import SPLITTERS


@dataclass
class IndianaCxrConfig(CxrConfig):
    """Options of `CxrConfig`, how to split, and how labels come about."""

    SPLIT_BY: ClassVar[tuple[str, ...]] = (*SPLITTERS, BY_PATIENT)

    split_by: str | None = field(
        default=None,
        metadata={
            "help": "How to split, as Kaggle gives no splits: r2gen uses the lists of most papers "
            "on report generation (2,069 / 296 / 590 studies; the others are left out), "
            "r2gen_pairs the same with just the two images of each study that those papers take, "
            "in their order, hash uses a hash of the uid (about 70 / 10 / 20 percent), patient "
            "another hash of it, with fractions or folds. Default: all in train."
        },
    )
    mesh_rules: str = field(
        default=DEFAULT_RULES,
        metadata={
            "help": "How labels follow from the MeSH codes: corrected reads them as a radiologist "
            "would, transchex gives the public TransChex labels of this collection, but for "
            "pericardial effusions and reports that were not indexed."
        },
    )
    labels_text: bool = text_labels_option(default=True)

    def check(self, raw_views: tuple[str, ...]) -> None:
        """Check the options' values.

        Raises:
            OptionError: One of them is not known.
        """
        super().check(raw_views)
        if self.mesh_rules not in tuple(MESH_RULES):
            raise OptionError.unknown("mesh_rules", self.mesh_rules, tuple(MESH_RULES))


class IndianaCxr(CxrBuilder):
    """Builder of the Indiana University chest X-rays.

    Its splits are those of the option `split_by`. Its core columns come from

    - indiana_projections.csv: `image_id`, from the file's name; `study_id` and `subject_id`, both
      the uid; `view`, from the projection;
    - indiana_reports.csv: the four sections; `report`, which joins them; `labels`, by the rules of
      `indiana_cxr.mesh_rules` from the MeSH codes.
    """

    BUILDER_CONFIG_CLASS = IndianaCxrConfig
    BUILDER_CONFIGS = [IndianaCxrConfig(name=name, version=CxrBuilder.VERSION) for name in CONFIGS]

    MEAN_IMAGE_BYTES = 1_900_000  # 14.19 GB of 7,470 files
    IMAGE_SUFFIX = PNG_SUFFIX
    IMAGE_FORMS = IMAGE_FORMS
    ID_FORMS = ID_FORMS
    PUBLISHED = PUBLISHED
    PUBLISHER = PUBLISHER
    TASK_NAMES = TaskNames(study=name_of_study)
    ACCESS = Access(
        about="No account is needed, and no agreement: the collection is public. Its licence "
        f"allows neither commercial use nor sharing changed versions. Get it from {HOMEPAGE}"
    )
    SOURCES = {
        "image": "the PNG: 8-bit greyscale, short side 2048 or less",
        "image_id": "`filename` without `.dcm.png`",
        "study_id": "`uid`",
        "subject_id": "`uid`, as the release does not name patients",
        "view": "from `projection`",
        "report": "the four sections that follow, each under its header",
        "indication": "`indication`; null in 86",
        "comparison": "`comparison`; null in 599",
        "findings": "`findings`; null in 514",
        "impression": "`impression`; null in 31",
        "labels": "by rules from the codes in `MeSH`",
        "path": "with `images=`, in Kaggle's archive",
    }
    COLUMNS = (
        text_labels_column("findings", "impression"),
        # From indiana_reports.csv.
        Column("mesh", [datasets.Value("string")], "study", "`MeSH`, its terms as they are"),
        Column(
            "problems", [datasets.Value("string")], "study", "`Problems`, its entries as they are"
        ),
        Column("procedure", datasets.Value("string"), "study", "`image`, which describes the exam"),
    )

    INFO = {
        "description": "Chest radiographs of 3,851 studies with their reports, de-identified.",
        "homepage": HOMEPAGE,
        "license": "CC BY-NC-ND 4.0",
        "citation": (
            "Demner-Fushman D, et al. Preparing a collection of radiology examinations for "
            "distribution and retrieval. J Am Med Inform Assoc 2016;23(2):304-310. "
            "doi:10.1093/jamia/ocv080"
        ),
    }

    def open_release(self, config: IndianaCxrConfig) -> IndianaRelease:
        """Find the two tables."""
        return open_release(
            config.data_dir, config.split_by if config.split_by in SPLITTERS else None,
            config.mesh_rules, self.options, config.connections,
        )  # fmt: skip
