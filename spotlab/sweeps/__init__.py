"""Backtest sweeps on processes or Dask, and the figures of docs/results.md.

Above `scheduling`, below `services`.
"""
