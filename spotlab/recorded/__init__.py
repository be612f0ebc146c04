"""Readers of recorded data: availability traces, price histories, SpotLake exports.

Imports `domain` and `errors` only.
"""
