"""Whoever an OpenID Connect provider vouches for, as a user of ours."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from spotlab.access.api_tokens import hashed
from spotlab.access.authentication import Gate
from spotlab.access.secret_key import secret_key
from spotlab.access.sessions import SignedIn, Visit
from spotlab.access.sign_in import SignIn, new_user
from spotlab.access.usernames import made_name
from spotlab.domain.access import Role
from spotlab.domain.ports import By, User
from spotlab.errors import Conflict, Forbidden, InvalidSetting, NotSignedIn
from spotlab.runtime.lab import Lab
from spotlab.settings import Settings

FRESH: Final = timedelta(minutes=10)
"""How old what the provider signed may be: an old cookie begins no new session."""
CALLBACK: Final = "/oauth2callback"
_TRIES: Final = 50


@dataclass(frozen=True, slots=True)
class Identity:
    """What a provider says of somebody.

    Args:
        issuer, subject: who, for good.
        email: "" where it says none, or has not verified it.
        name: what they like to be called.
        issued_at: aware UTC.
        signature: a hash of all that it says, which it never says twice.
    """

    issuer: str
    subject: str
    email: str
    name: str
    issued_at: datetime
    signature: str

    @classmethod
    def of(cls, claims: dict[str, object]) -> Identity:
        """From the claims of an ID token. Raises NotSignedIn: it lacks what is needed."""
        issuer, subject, issued = claims.get("iss"), claims.get("sub"), claims.get("iat")
        if not isinstance(issuer, str) or not isinstance(subject, str) or not subject:
            raise NotSignedIn("The provider did not say who you are.")
        if not isinstance(issued, int | float):
            raise NotSignedIn("The provider did not say when it vouched for you.")
        verified = claims.get("email_verified") in (True, "true")
        email = str(claims.get("email") or "") if verified else ""
        name = str(claims.get("preferred_username") or claims.get("email") or subject)
        signature = hashed(json.dumps(claims, sort_keys=True, default=str))
        return cls(issuer, subject, email, name, datetime.fromtimestamp(issued, UTC), signature)


def begin_session(lab: Lab, identity: Identity, visit: Visit) -> SignedIn:
    """A session of whom an identity means; a second one with the same is refused.

    Raises:
        NotSignedIn: what the provider signed is too old, or the user may not sign in any more.
        Forbidden: they are no user, or a disabled one.
        Conflict: it was used before.
    """
    user, now = user_of(lab, identity), lab.clock.now()
    by = By(user.name, now, "", "oidc")
    lab.store.links.use_signature(identity.signature, user.name, by, identity.issued_at + FRESH)
    return SignIn(lab).by_provider(user, visit)


def user_of(lab: Lab, identity: Identity) -> User:
    """The user whom an identity means: by subject, else by verified e-mail, else somebody new.

    Raises:
        NotSignedIn: what the provider signed is too old.
        Forbidden: they are no user, or a disabled one.
    """
    now = lab.clock.now()
    if not -FRESH <= now - identity.issued_at <= FRESH:
        raise NotSignedIn("That sign-in was too long ago.", remedy="Sign in again.")
    subject = f"{identity.issuer}|{identity.subject}"
    known = lab.store.users.vouched_for
    # Once more at the end: another tab may have bound them between the two.
    user = known(subject) or _by_email(lab, identity, subject, now) or known(subject)
    if user is None:
        user = _somebody_new(lab, identity, subject, now)
    if not user.active:
        raise Forbidden(f"{user.name} may not sign in.", remedy="Ask an administrator.")
    return user


def _by_email(lab: Lab, identity: Identity, subject: str, now: datetime) -> User | None:
    """Whom an administrator has added by address; from now on the subject counts.

    Signs beyond ASCII are another mailbox's, though some turn into ASCII as they are lowered.
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


def _somebody_new(lab: Lab, identity: Identity, subject: str, now: datetime) -> User:
    if not lab.settings.oidc_role:
        raise Forbidden(
            "You have signed in with the provider, but have no account here.",
            remedy="An administrator adds you with the e-mail address that the provider has "
            "verified.",
        )
    role, plain = Role(lab.settings.oidc_role), made_name(identity.name)
    for number in range(1, _TRIES):
        name = plain if number == 1 else f"{plain[:60]}-{number}"
        user = new_user(name, role, None, identity.email, now)
        by = By(name, now, "first sign-in with the provider", "oidc")
        try:
            return lab.store.users.add(replace(user, subject=subject), by)
        except Conflict:
            if known := lab.store.users.vouched_for(subject):
                return known  # another tab was first
    raise Conflict(f"Every name like {plain!r} is taken.", remedy="Ask an administrator.")


def login_section(settings: Settings) -> dict[str, str]:
    """What the login is to know of the provider.

    Raises:
        InvalidSetting: one of its settings is missing.
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
            f"SPOTLAB_AUTH is oidc, and not set: {missing}.",
            remedy="See the README's settings table.",
        )
    return {
        "redirect_uri": f"{settings.public_url.rstrip('/')}{CALLBACK}",
        "cookie_secret": secret_key(settings).derived("streamlit login").hex(),
        "client_id": settings.oidc_client_id,
        "client_secret": secret.get_secret_value(),
        "server_metadata_url": settings.oidc_metadata_url,
    }
