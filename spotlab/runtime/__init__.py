"""Settings to services, and what every process shares: market, fleet, evaluation, models.

`bootstrap.py` is the only place that picks implementations. Above `pipeline`, `training` and
the adapters.
"""
