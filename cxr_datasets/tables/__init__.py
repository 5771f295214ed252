"""The tables of a release: CSV files in, checked; keys joined; the index file; studies."""
