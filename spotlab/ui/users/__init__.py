"""The Users screen."""
