"""Backup, restore, retention and the doctor.

Above `access`; does not import `monitoring`.
"""
