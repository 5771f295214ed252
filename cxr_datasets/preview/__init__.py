"""What a person looks at: figures, studies in notebooks, the demonstration, its contact sheet."""

from cxr_datasets.preview.notebook import Shown, show
from cxr_datasets.preview.summary import Stats, stats

__all__ = ["Shown", "Stats", "show", "stats"]
