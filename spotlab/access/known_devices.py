"""Device cookies: a browser in which a user has signed in before is not locked out by others.

One signed cookie per user and browser, as described by OWASP:
https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final

from spotlab.access.secret_key import secret_key
from spotlab.access.session_tokens import Signer, Ticket
from spotlab.errors import NotSignedIn
from spotlab.runtime.lab import Lab

DEVICE_VALID_FOR: Final = timedelta(days=180)
"""How long a browser is known after its last sign-in."""


class Devices:
    """Signs and reads device cookies.

    Args:
        lab: its secret key and clock.
    """

    def __init__(self, lab: Lab) -> None:
        self._clock = lab.clock
        self._signer = Signer(secret_key(lab.settings), "device")

    def new(self, user: str) -> str:
        """The cookie for the browser of a user who has just signed in."""
        now = self._clock.now()
        return self._signer.sign(
            Ticket(secrets.token_urlsafe(18), user, now + DEVICE_VALID_FOR), now
        )

    def known(self, cookie: str, user: str) -> str:
        """The id of a browser in which this user has signed in; "": it is not one."""
        try:
            ticket = self._signer.read(cookie)
        except NotSignedIn:
            return ""
        is_theirs = ticket.user == user and self._clock.now() < ticket.expires_at
        return ticket.session_id if is_theirs else ""
