"""The Workloads screen."""
