"""Model artefacts, predictions and their explanations.

Imports `domain`, `errors`, `telemetry` and `processes`; does not depend on feeds or stores.
"""
