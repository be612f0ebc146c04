"""Scheduled jobs, leader election and the first run.

Above `monitoring` and `maintenance`, whose work its jobs do.
"""
