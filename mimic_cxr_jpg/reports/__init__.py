"""The free-text reports: where they are, a reader for each form they come in, and their sections.

They belong to a project of their own, MIMIC-CXR. Users have them as the release's zip, as a tar.gz
or as a tree of files, often unpacked among the images; or only four of their sections, in a table.
"""

from mimic_cxr_jpg.reports.find import find_reports
from mimic_cxr_jpg.reports.parsing import REPORT_SECTIONS, parse_sections, sections
from mimic_cxr_jpg.reports.rules import RULES
from mimic_cxr_jpg.reports.sectioned import SectionedReports
from mimic_cxr_jpg.reports.store import ReportStore
from mimic_cxr_jpg.reports.tarred import TarredReports
from mimic_cxr_jpg.reports.tree import ReportTree
from mimic_cxr_jpg.reports.zipped import ZippedReports

__all__ = [
    "REPORT_SECTIONS",
    "RULES",
    "ReportStore",
    "ReportTree",
    "SectionedReports",
    "TarredReports",
    "ZippedReports",
    "find_reports",
    "parse_sections",
    "sections",
]
