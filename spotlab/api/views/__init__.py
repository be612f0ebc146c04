"""What the API answers and takes: each resource's fields with unit, meaning and example."""
