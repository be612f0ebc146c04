"""Replay of policies on traces, and what hindsight would have paid. Gym floor: above pipeline."""
