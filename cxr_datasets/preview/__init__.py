"""What a person looks at: figures, studies in notebooks, the demonstration, its contact sheet."""

from cxr_datasets.preview.summary import Stats, stats

__all__ = ["Stats", "stats"]
