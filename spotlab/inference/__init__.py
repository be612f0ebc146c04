"""From a model artefact to a risk and its explanation.

Imports `domain` and `errors`; knows no feed and no store.
"""
