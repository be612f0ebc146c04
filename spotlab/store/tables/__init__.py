"""The SQL tables; the repositories turn their rows into domain values."""
