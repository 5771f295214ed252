"""The forms that an export may have: Parquet, tar shards, and files that other programs read."""

from cxr_datasets.export.forms.choose import FORMS, form_of, form_of_manifest
from cxr_datasets.export.forms.form import PARQUET, Form

__all__ = ["FORMS", "PARQUET", "Form", "form_of", "form_of_manifest"]
