"""Carrying out a decision, step by step: preflight, the switch itself, its guards and recovery.

It stands on `runtime`, and only `aws/switching.py` changes anything in AWS.
"""
