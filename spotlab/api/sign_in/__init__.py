"""Pages to sign in, choose a password and sign out."""
