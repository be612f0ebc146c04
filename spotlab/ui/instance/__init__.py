"""The screen of one instance."""
