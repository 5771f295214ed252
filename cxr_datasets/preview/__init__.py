"""What a person looks at: the page, the demonstration, figures and a contact sheet."""

from cxr_datasets.preview.document import PreviewSummary, preview

__all__ = ["PreviewSummary", "preview"]
