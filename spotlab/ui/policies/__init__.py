"""The Policies screen."""
