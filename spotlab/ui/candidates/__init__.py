"""The Candidates screen."""
