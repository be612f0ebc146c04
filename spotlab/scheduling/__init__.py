"""Jobs that run by themselves: what there are, when they run, and who runs them. Runtime floor."""
