"""From a market to a recorded decision, one stage after the other. Pipeline floor."""
