"""The parts of the Alerts page. Screens floor."""
