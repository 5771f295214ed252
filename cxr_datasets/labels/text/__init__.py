"""The 14 labels from the words of a report, by rules.

`labels` reads a text and `column` a whole column, by what `known` keeps of former texts; `explain`
says why. `beside` lets another process read, which runs `helper`. Below them, `verdict` makes one
value of many mentions, `sentences` cuts a text, and `mentions` reads a sentence: `phrases` of the
vocabulary are found in it, `claims` are what they name, `scopes` what denies or doubts a claim.
`vocabulary` loads the tables `words.csv` and `structures.csv`, which hold every word that the rules
know.
"""

from cxr_datasets.labels.text.column import label_texts
from cxr_datasets.labels.text.explain import Explanation, Reason, explain
from cxr_datasets.labels.text.labels import label_text

__all__ = ["Explanation", "Reason", "explain", "label_text", "label_texts"]
