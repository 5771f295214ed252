"""Labels of one text."""

from __future__ import annotations

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import OptionError
from cxr_datasets.labels.text.known import marks_of
from cxr_datasets.labels.text.verdict import values


def label_text(text: str) -> dict[str, int | None]:
    """Give the 14 labels of a report, by rules.

    Args:
        text: Findings, impression or both: the part that tells what is seen.

    Returns:
        For each of `LABELS`, in their order, 1 positive, 0 negative, -1 uncertain, None not
        mentioned. `No Finding` is 1 or None.

    Raises:
        OptionError: `text` is no text.
    """
    if not isinstance(text, str):
        raise OptionError(f"text is a {type(text).__name__}; expected a str.")
    return dict(zip(LABELS, values(marks_of(text)), strict=True))
