"""Features: one definition, computed the same way online, in training and in a backtest."""
