"""Which rows of a release a dataset has: lists of ids, splits, and rules that are counted."""
