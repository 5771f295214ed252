"""What a person looks at: a page, figures, studies in notebooks, the demonstration."""

from cxr_datasets.preview.document import PreviewSummary, preview
from cxr_datasets.preview.notebook import Shown, show
from cxr_datasets.preview.summary import Stats, stats

__all__ = ["PreviewSummary", "Shown", "Stats", "preview", "show", "stats"]
