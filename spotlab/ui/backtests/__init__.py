"""The Backtests page: set up a sweep, watch it, read it, replay one window. Screens floor."""
