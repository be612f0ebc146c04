"""The capacity model: probability that available capacity is lost within some hours."""
