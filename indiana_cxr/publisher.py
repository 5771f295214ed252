"""Where the collection is fetched from: Kaggle, which asks nobody for an account."""

from __future__ import annotations

from cxr_datasets.builder import Publisher
from indiana_cxr.release import HOMEPAGE

_TOKEN = (
    "No account is needed for this collection, and a token that is out of date is refused: remove "
    "it (~/.kaggle, KAGGLE_API_TOKEN, KAGGLE_USERNAME and KAGGLE_KEY), or make a new one at "
    "https://www.kaggle.com/settings."
)

PUBLISHER = Publisher(
    name="Kaggle",
    address=f"{HOMEPAGE}/versions/{{version}}/",
    fetcher="indiana_cxr.kaggle:Kaggle",
    homepage=HOMEPAGE,
    archive="archive.zip",
    refusals={401: _TOKEN, 403: _TOKEN},
)
