"""The Explanations screen."""
