"""The SQL tables. Repositories convert their rows to domain values."""
