"""Backtest sweeps on processes or Dask, and the tables of docs/results.md.

Above `scheduling`, below `services`.
"""
