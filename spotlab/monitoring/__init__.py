"""Component health, alert rules and metrics.

Above `access`; does not import `maintenance`.
"""
