"""The Instances screen."""
