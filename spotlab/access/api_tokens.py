"""API tokens: `spl_<id>_<secret>`, shown once and stored as a hash.

The secret has 256 random bits, so one round of SHA-256 is enough: it cannot be guessed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Final

PREFIX: Final = "spl"
_SHAPE: Final = re.compile(r"spl_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


def new_token() -> tuple[str, str, str]:
    """A new token's id, the token itself, and the hash to store."""
    token_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return token_id, f"{PREFIX}_{token_id}_{secret}", hash_secret(secret)


def split_token(token: str) -> tuple[str, str] | None:
    """A token's id and secret; None: it does not have the format of a token."""
    found = _SHAPE.fullmatch(token)
    return (found[1], found[2]) if found else None


def hash_secret(secret: str) -> str:
    """The stored hash of a random secret, in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def matches(secret: str, stored_hash: str) -> bool:
    """Whether a secret has this stored hash, compared in constant time."""
    return hmac.compare_digest(hash_secret(secret), stored_hash)
