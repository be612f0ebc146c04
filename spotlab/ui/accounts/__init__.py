"""The Accounts screen."""
