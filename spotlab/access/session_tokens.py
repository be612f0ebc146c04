"""Signed tokens of a session: what a cookie holds.

Two kinds, each JWT with HS256 and nothing else: one that says who somebody is for some minutes, and
one that renews it. Each names the key that signed it, so that another replica's key is told apart
from a forgery.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import jwt

from spotlab.access.secret_key import SecretKey
from spotlab.errors import NotSignedIn

ALGORITHM: Final = "HS256"
ISSUER: Final = "spotlab"
SIGN_IN: Final = "Sign in again."


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a token says, once its signature holds.

    Args:
        session_id: which session.
        user: whose.
        expires_at: aware UTC.
    """

    session_id: str
    user: str
    expires_at: datetime


class Signer:
    """Signs and reads the tokens of one kind.

    Args:
        key: the server's.
        kind: "session" or "renewal": one is never taken for the other.
    """

    def __init__(self, key: SecretKey, kind: str) -> None:
        self._secret = key.derived(f"jwt:{kind}")
        self._kind = kind
        self._key_id = key.fingerprint

    def sign(self, ticket: Ticket, now: datetime) -> str:
        """The token of a ticket; no two are equal."""
        claims = {
            "iss": ISSUER,
            "aud": self._kind,
            "sub": ticket.user,
            "sid": ticket.session_id,
            "iat": now,
            "exp": ticket.expires_at,
            "jti": secrets.token_urlsafe(18),
        }
        return jwt.encode(claims, self._secret, ALGORITHM, headers={"kid": self._key_id})

    def read(self, token: str) -> Ticket:
        """What a token says; whether it has expired is for the caller to ask, by its own clock.

        Raises:
            NotSignedIn: its signature does not hold, or another key made it.
        """
        try:
            claims = jwt.decode(
                token,
                self._secret,
                [ALGORITHM],
                audience=self._kind,
                issuer=ISSUER,
                options={
                    "require": ["iss", "aud", "sub", "sid", "iat", "exp", "jti"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
            moment = datetime.fromtimestamp(claims["exp"], UTC)
            return Ticket(str(claims["sid"]), str(claims["sub"]), moment)
        except (jwt.InvalidTokenError, ValueError, OverflowError, TypeError) as exc:
            raise self._refusal(token) from exc

    def _refusal(self, token: str) -> NotSignedIn:
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
        except jwt.InvalidTokenError:
            key_id = None
        if isinstance(key_id, str) and key_id != self._key_id:
            return NotSignedIn(
                "This session was signed with another secret key than this server's.",
                remedy="Sign in again. If that does not last, the replicas of this server have "
                "different keys: give each the same SPOTLAB_SECRET_KEY.",
            )
        return NotSignedIn("This session's token is not one of ours.", remedy=SIGN_IN)
