"""The 14 labels from the words of a report, by rules.

From top to bottom: `labels` is what callers use, `explain` says why, `verdict` makes one value of
many mentions, `mentions` reads a sentence, `sentences` cuts a text, `vocabulary` loads the tables
`words.csv` and `normal.csv`, which hold every word that the rules know.
"""

from cxr_datasets.labels.text.column import label_texts
from cxr_datasets.labels.text.explain import Explanation, Reason, explain
from cxr_datasets.labels.text.labels import label_text

__all__ = ["Explanation", "Reason", "explain", "label_text", "label_texts"]
