"""Request and response bodies of the API: each field with meaning, unit and example."""
