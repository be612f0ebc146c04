"""Features of the capacity model, from availability over time."""
