"""Users, what they may do, and what they did. Screens floor."""
