"""One-time links for the first administrator and for choosing a password."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final

from spotlab.access.api_tokens import hash_secret
from spotlab.domain.access import SPOTLAB
from spotlab.domain.ports import By
from spotlab.runtime.lab import Lab
from spotlab.store.one_time_links import Link, Purpose

FIRST_FOR: Final = timedelta(minutes=60)
PASSWORD_FOR: Final = timedelta(hours=24)


def first_administrator_link(lab: Lab) -> str | None:
    """Path of a link that creates the first administrator; None: there is a user already."""
    if lab.store.users.any():
        return None
    by = By(SPOTLAB.name, lab.clock.now(), "there is no user yet", "itself")
    return _path(lab, Link(Purpose.FIRST_ADMINISTRATOR, "", by.at + FIRST_FOR), by)


def password_link(lab: Lab, name: str, by: By, grantors: tuple[str, ...] = ()) -> str:
    """Path of a link with which a user chooses a password; earlier links become invalid.

    Args:
        lab: its store.
        name: of the user.
        by: who makes the link, and when.
        grantors: users whose rights limit the link; see `Principal.grantors_for`.
    """
    return _path(lab, Link(Purpose.CHOOSE_PASSWORD, name, by.at + PASSWORD_FOR, grantors), by)


def _path(lab: Lab, link: Link, by: By) -> str:
    code = secrets.token_urlsafe(32)
    replaces = link.purpose is Purpose.CHOOSE_PASSWORD
    lab.store.links.add(link, hash_secret(code), by, others_end=replaces)
    return f"/{link.purpose}?code={code}"
