"""Putting the parts together: settings to services. Runtime floor."""
