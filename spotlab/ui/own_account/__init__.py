"""The My account screen."""
