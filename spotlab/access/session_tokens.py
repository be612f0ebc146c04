"""Signed tokens of a session, stored in cookies.

There are two kinds, both JWT with HS256 only: a session token, valid for some minutes, and a
renewal token. Each names the key that signed it, so that another replica's key can be distinguished
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
    """The contents of a token with a valid signature.

    Args:
        session_id: id of the session.
        user: name of the user.
        expires_at: aware UTC.
    """

    session_id: str
    user: str
    expires_at: datetime


class Signer:
    """Signs and reads the tokens of one kind.

    Args:
        key: the server's secret key.
        kind: such as "session" or "renewal"; tokens of one kind are not valid as another.
    """

    def __init__(self, key: SecretKey, kind: str) -> None:
        self._secret = key.derived(f"jwt:{kind}")
        self._kind = kind
        self._key_id = key.fingerprint

    def sign(self, ticket: Ticket, now: datetime) -> str:
        """A signed token; no two are equal."""
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
        """The contents of a token; the caller checks whether it has expired.

        Raises:
            NotSignedIn: the signature is invalid, or was made with another key.
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
                remedy="Sign in again. If this happens repeatedly, the replicas of this server "
                "have different keys: give each the same SPOTLAB_SECRET_KEY.",
            )
        return NotSignedIn("This session's token is invalid.", remedy=SIGN_IN)
