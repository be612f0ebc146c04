"""Who somebody is: passwords, sessions, tokens and the gate that asks for them. Runtime floor."""
