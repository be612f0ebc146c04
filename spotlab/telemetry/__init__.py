"""Logs. Bottom floor: imports nothing of SpotLab."""
