"""The Backtests screen."""
