"""Authentication and authorisation: passwords, sessions, API tokens, OpenID Connect.

Above `runtime`; imported by `monitoring`, `maintenance`, `scheduling`, `services` and the
server.
"""
