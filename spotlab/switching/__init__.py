"""Carrying out a decision, step by step: preflight, the switch itself, its guards and recovery.

A switch is built in `requests` or `automatic_requests`, approved in `approval`, and carried out by
`rounds`, which starts a `driver` for each. It stands on `runtime`, and only `aws/switching.py`
changes anything in AWS.
"""
