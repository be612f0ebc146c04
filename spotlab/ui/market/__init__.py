"""The Market screen."""
