"""Alert rules: looked at, told to receivers, and told again until they answer."""
