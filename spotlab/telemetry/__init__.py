"""Logs, metrics and traces. Bottom floor: imports nothing of SpotLab."""
