"""Figures, and what a person looks at: the demonstration and its contact sheet."""
