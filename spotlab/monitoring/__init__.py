"""Component health, alert rules and metrics.

Above `access`; beside `maintenance`, which it does not import.
"""
