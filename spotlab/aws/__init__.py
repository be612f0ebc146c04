"""Everything that talks to AWS: EC2, STS, pricing and the public market feeds.

Imports `domain`, `errors`, `settings` and `telemetry` only. Besides `demo`, the only room that
imports boto3.
"""
