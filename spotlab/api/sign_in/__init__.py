"""The pages on which people sign in, choose a password and sign out."""
