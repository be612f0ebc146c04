"""Policies replayed on recorded availability, and what hindsight would have paid.

Pure: imports `domain` and `errors`; knows no store and no screen.
"""
