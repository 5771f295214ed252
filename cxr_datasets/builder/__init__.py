"""From a release to the rows of a config: what the script of a dataset is made of."""

from cxr_datasets.builder.access import Access, Project, Step
from cxr_datasets.builder.builder import CxrBuilder
from cxr_datasets.builder.cohort_options import BY_PATIENT
from cxr_datasets.builder.config import CxrConfig, option_help
from cxr_datasets.builder.features import Column, label_feature
from cxr_datasets.builder.forms import ImageForms
from cxr_datasets.builder.priors import check_priors, prior_columns, priors_option
from cxr_datasets.builder.published import Copy, Counts, Published, PublishedTable, Texts
from cxr_datasets.builder.publisher import Companion, Publisher
from cxr_datasets.builder.relations import Cells, Listed, Nested, Same
from cxr_datasets.builder.release import Release, not_this_dataset, open_source
from cxr_datasets.builder.task_names import TaskNames
from cxr_datasets.builder.text_labels import text_labels_column, text_labels_option
from cxr_datasets.tables.id_forms import IdForm

__all__ = [
    "BY_PATIENT",
    "Access",
    "Cells",
    "Column",
    "Companion",
    "Copy",
    "Counts",
    "CxrBuilder",
    "CxrConfig",
    "IdForm",
    "ImageForms",
    "Listed",
    "Nested",
    "Project",
    "Published",
    "PublishedTable",
    "Publisher",
    "Release",
    "Same",
    "Step",
    "TaskNames",
    "Texts",
    "check_priors",
    "label_feature",
    "not_this_dataset",
    "open_source",
    "option_help",
    "prior_columns",
    "priors_option",
    "text_labels_column",
    "text_labels_option",
]
