"""Users who sign in through an OpenID Connect provider."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from spotlab.access.api_tokens import hash_secret
from spotlab.access.authentication import Gate
from spotlab.access.secret_key import secret_key
from spotlab.access.sessions import SignedIn, Visit
from spotlab.access.sign_in import SignIn, new_user
from spotlab.access.usernames import name_from_provider
from spotlab.domain.access import Role
from spotlab.domain.ports import By, User
from spotlab.errors import Conflict, Forbidden, InvalidSetting, NotSignedIn
from spotlab.runtime.lab import Lab
from spotlab.settings import Settings

MAX_AGE: Final = timedelta(minutes=10)
"""Maximum age of an ID token: an older cookie starts no session."""
CALLBACK: Final = "/oauth2callback"
_MAX_NAMES: Final = 50


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity in an ID token.

    Args:
        issuer, subject: permanent identifiers of the user.
        email: "": none, or not verified by the provider.
        name: preferred user name.
        issued_at: aware UTC.
        signature: a hash of all claims; unique per ID token.
    """

    issuer: str
    subject: str
    email: str
    name: str
    issued_at: datetime
    signature: str

    @classmethod
    def of(cls, claims: dict[str, object]) -> Identity:
        """From the claims of an ID token. Raises NotSignedIn: a required claim is missing."""
        issuer, subject, issued = claims.get("iss"), claims.get("sub"), claims.get("iat")
        if not isinstance(issuer, str) or not isinstance(subject, str) or not subject:
            raise NotSignedIn("The identity provider's token does not identify you.")
        if not isinstance(issued, int | float):
            raise NotSignedIn("The identity provider's token does not say when it was issued.")
        verified = claims.get("email_verified") in (True, "true")
        email = str(claims.get("email") or "") if verified else ""
        name = str(claims.get("preferred_username") or claims.get("email") or subject)
        signature = hash_secret(json.dumps(claims, sort_keys=True, default=str))
        return cls(issuer, subject, email, name, datetime.fromtimestamp(issued, UTC), signature)


def begin_session(lab: Lab, identity: Identity, visit: Visit) -> SignedIn:
    """Start a session for an identity; each ID token can be used once.

    Raises:
        NotSignedIn: the ID token is too old, or the user may not sign in any more.
        Forbidden: there is no such user, or it is disabled.
        Conflict: the ID token was used before.
    """
    user, now = user_of(lab, identity), lab.clock.now()
    by = By(user.name, now, "", "oidc")
    lab.store.links.use_signature(identity.signature, user.name, by, identity.issued_at + MAX_AGE)
    return SignIn(lab).by_provider(user, visit)


def user_of(lab: Lab, identity: Identity) -> User:
    """The user of an identity: by subject, else by verified e-mail address, else a new user.

    Raises:
        NotSignedIn: the ID token is too old.
        Forbidden: there is no such user and none may be added, or it is disabled.
    """
    now = lab.clock.now()
    if not -MAX_AGE <= now - identity.issued_at <= MAX_AGE:
        raise NotSignedIn("That sign-in was too long ago.", remedy="Sign in again.")
    subject = f"{identity.issuer}|{identity.subject}"
    known = lab.store.users.with_subject
    # By subject again at the end: another tab may have linked the user in between.
    user = known(subject) or _by_email(lab, identity, subject, now) or known(subject)
    if user is None:
        user = _new_user(lab, identity, subject, now)
    if not user.active:
        raise Forbidden(f"{user.name} may not sign in.", remedy="Ask an administrator.")
    return user


def _by_email(lab: Lab, identity: Identity, subject: str, now: datetime) -> User | None:
    """The user whom an administrator added by e-mail address; the subject is linked to it now.

    Non-ASCII addresses are ignored: some characters become ASCII in lower case, but belong to
    another mailbox.
    """
    if not identity.email.isascii():
        return None
    known = lab.store.users.with_email(identity.email) if identity.email else []
    found = [user for user in known if user.subject is None and user.email.isascii()]
    if len(found) != 1:
        return None
    by = By(found[0].name, now, "first sign-in with the provider", "oidc")
    try:
        user = lab.store.users.change(found[0].name, by, subject=subject)
    except Conflict:  # another account with this address was first
        return None
    Gate(lab).forget()
    return user


def _new_user(lab: Lab, identity: Identity, subject: str, now: datetime) -> User:
    if not lab.settings.oidc_role:
        raise Forbidden(
            "You have signed in with the identity provider, but are not a user here.",
            remedy="Ask an administrator to add you with the e-mail address that the provider has "
            "verified.",
        )
    role, plain = Role(lab.settings.oidc_role), name_from_provider(identity.name)
    for number in range(1, _MAX_NAMES):
        name = plain if number == 1 else f"{plain[:60]}-{number}"
        user = new_user(name, role, None, identity.email, now)
        by = By(name, now, "first sign-in with the provider", "oidc")
        try:
            return lab.store.users.add(replace(user, subject=subject), by)
        except Conflict:
            if known := lab.store.users.with_subject(subject):
                return known  # another tab was first
    raise Conflict(f"Every name like {plain!r} is taken.", remedy="Ask an administrator.")


def login_section(settings: Settings) -> dict[str, str]:
    """Streamlit's configuration of the provider.

    Raises:
        InvalidSetting: a setting is missing.
        NotAvailable: there is no secret key.
    """
    secret = settings.oidc_client_secret
    needed = {
        "SPOTLAB_PUBLIC_URL": settings.public_url,
        "SPOTLAB_OIDC_METADATA_URL": settings.oidc_metadata_url,
        "SPOTLAB_OIDC_CLIENT_ID": settings.oidc_client_id,
        "SPOTLAB_OIDC_CLIENT_SECRET": secret,
    }
    if secret is None or not all(needed.values()):
        missing = ", ".join(name for name, value in needed.items() if not value)
        raise InvalidSetting(
            f"SPOTLAB_AUTH is oidc, but these settings are missing: {missing}.",
            remedy="See the README's settings table.",
        )
    return {
        "redirect_uri": f"{settings.public_url.rstrip('/')}{CALLBACK}",
        "cookie_secret": secret_key(settings).derived("streamlit login").hex(),
        "client_id": settings.oidc_client_id,
        "client_secret": secret.get_secret_value(),
        "server_metadata_url": settings.oidc_metadata_url,
    }
