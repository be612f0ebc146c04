"""The Switches screen."""
