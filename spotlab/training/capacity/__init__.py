"""The capacity model: whether capacity that is there now is lost within some hours."""
