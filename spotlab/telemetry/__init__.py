"""Logs, metrics and traces of this process.

On the bottom floor: imports nothing of SpotLab.
"""
