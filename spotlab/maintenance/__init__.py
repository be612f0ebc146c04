"""Backup, restore, retention and the doctor.

Above `access`; beside `monitoring`, which it does not import.
"""
