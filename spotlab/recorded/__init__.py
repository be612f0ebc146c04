"""Readers of recorded data: availability traces, price histories, SpotLake exports.

Imports `domain` and `errors`; reads files and nothing else.
"""
