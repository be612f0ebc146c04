"""Cookies of sessions and known devices.

HttpOnly: scripts cannot read them. SameSite=Lax: forms and requests of other sites do not send
them.
Secure: set if browsers use https.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from starlette.responses import Response

from spotlab.access.api_tokens import hash_secret
from spotlab.access.authentication import SESSION_COOKIE
from spotlab.access.known_devices import DEVICE_VALID_FOR
from spotlab.access.sessions import SignedIn
from spotlab.access.usernames import typed_name
from spotlab.runtime.lab import Lab

RENEWAL_COOKIE: Final = "spotlab_renewal"
FORM_COOKIE: Final = "spotlab_form"
NEXT_COOKIE: Final = "spotlab_next"
FORM_COOKIE_S: Final = 3600


def set_session_cookies(response: Response, signed_in: SignedIn, lab: Lab) -> None:
    """Set the cookies of a session."""
    seconds = _seconds_until(signed_in.session.expires_at, lab)
    set_cookie(response, SESSION_COOKIE, signed_in.token, lab, seconds)
    if signed_in.renewal:
        set_cookie(response, RENEWAL_COOKIE, signed_in.renewal, lab, seconds)
    if signed_in.device:
        name = device_cookie(signed_in.session.user)
        set_cookie(response, name, signed_in.device, lab, round(DEVICE_VALID_FOR.total_seconds()))


def device_cookie(name: str) -> str:
    """The name of a user's device cookie: one per user, because several may share a browser."""
    return f"spotlab_device_{hash_secret(typed_name(name))[:16]}"


def delete_cookies(response: Response, lab: Lab, *names: str) -> None:
    """Delete cookies; without names, those of the session."""
    for name in names or (SESSION_COOKIE, RENEWAL_COOKIE):
        set_cookie(response, name, "", lab, 0)


def set_cookie(
    response: Response, name: str, value: str, lab: Lab, seconds: int = FORM_COOKIE_S
) -> None:
    """Set a cookie."""
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path="/",
        secure=is_https(lab),
        httponly=True,
        samesite="lax",
    )


def is_https(lab: Lab) -> bool:
    """Whether browsers use https."""
    return lab.settings.public_url.lower().startswith("https://")


def _seconds_until(until: datetime, lab: Lab) -> int:
    return max(0, int((until - lab.clock.now()).total_seconds()))
