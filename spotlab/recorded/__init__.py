"""Recorded data of others, read from files: traces, price histories, SpotLake. Adapters floor."""
