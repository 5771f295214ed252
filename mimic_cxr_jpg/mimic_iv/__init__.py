"""MIMIC-IV, the records of the same patients: who they are, and in which stay a study was made.

It is a project of its own. The two share `subject_id` and the shift of dates, and no other key, so
a study is found in the stay whose interval holds its date and time.
"""

from mimic_cxr_jpg.mimic_iv.columns import COLUMNS, mimic_iv_option
from mimic_cxr_jpg.mimic_iv.find import checked_address, open_mimic_iv
from mimic_cxr_jpg.mimic_iv.link import MimicIv

__all__ = ["COLUMNS", "MimicIv", "checked_address", "mimic_iv_option", "open_mimic_iv"]
