"""Logs, metrics and traces of this process.

On the lowest floor: imports nothing else of SpotLab.
"""
