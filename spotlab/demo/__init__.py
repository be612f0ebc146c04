"""Emulated AWS and a simulated market on loopback.

Imported by `runtime/bootstrap.py` alone; may import `domain`, `processes` and boto3.
"""
