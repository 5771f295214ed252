"""Where MIMIC-CXR-JPG and its reports are fetched from: PhysioNet, by GNU wget.

PhysioNet honours a login only from programs on its list, and `wget` is the one that it documents:
https://physionet.org/content/mimic-cxr-jpg/2.1.0/, "Files". More than 8 connections lead to
time-outs, and to accounts that are blocked.
"""

from __future__ import annotations

from cxr_datasets.builder import Companion, Publisher
from mimic_cxr_jpg.tables import VERSIONS

_REPORTS = Companion(
    file="mimic-cxr-reports.zip",
    address="https://physionet.org/files/mimic-cxr/{version}/",
    versions={version: version for version in VERSIONS},
    homepage="https://physionet.org/content/mimic-cxr/{version}/",
)

PUBLISHER = Publisher(
    name="PhysioNet",
    address="https://physionet.org/files/mimic-cxr-jpg/{version}/",
    fetcher="cxr_datasets.copies.wget:Wget",
    homepage="https://physionet.org/content/mimic-cxr-jpg/{version}/",
    refusals={
        401: (
            "The name or the password is wrong: try them at https://physionet.org/login/. The name "
            "is the user name of the account, not its e-mail address."
        ),
        403: (
            "The login is right, and this account may not read this project yet: it must be "
            "credentialed, and must have signed the data use agreement of this version. Sign it at "
            "the foot of {homepage}. Each project and each version has an agreement of its own. "
            "`cxr access mimic-cxr-jpg` lists the steps, and says which are done."
        ),
    },
    reports=_REPORTS,
)
