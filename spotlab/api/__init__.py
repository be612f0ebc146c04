"""What the server answers beside the screens. Screens floor."""
