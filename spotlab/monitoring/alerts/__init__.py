"""Alert rules: evaluation, and delivery of notifications with retries."""
