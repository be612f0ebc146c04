"""Secret key of the app, for signatures and encryption; the store keeps it, as it uses it too."""

from __future__ import annotations

from spotlab.store.secret_key import FILE, SHORTEST, SecretKey, secret_key

__all__ = ["FILE", "SHORTEST", "SecretKey", "secret_key"]
