"""Learning the shipped model from recorded markets. Training floor: knows no screen, no store."""
