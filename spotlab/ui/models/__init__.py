"""The Models page in parts: what a card says, the leaderboard, one card, two models, in use."""
