"""The advisor model: next month's interruption bucket."""
