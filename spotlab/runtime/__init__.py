"""What every process shares: start and shutdown, market, fleet, evaluation, models.

`bootstrap.py` is the only place that selects implementations. This package is above `pipeline`,
`training` and the adapters.
"""
