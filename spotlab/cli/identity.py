"""Whoever a command acts for.

With SPOTLAB_TOKEN in the environment: that API token's user. Else whoever runs it, by the operating
system's name: they may read the home's files, so there is nothing to keep from them.
"""

from __future__ import annotations

import os
import pwd
from typing import Final

from spotlab.access.authentication import Gate
from spotlab.domain.access import Principal, Role
from spotlab.runtime.lab import Lab

TOKEN: Final = "SPOTLAB_TOKEN"  # noqa: S105 (the variable's name)


def acting(lab: Lab) -> Principal:
    """Who asks the lab.

    Raises:
        NotSignedIn: SPOTLAB_TOKEN is set, and is no token that counts.
    """
    token = os.environ.get(TOKEN)
    return current_user() if token is None else Gate(lab).bearer(token)


def current_user() -> Principal:
    """Who runs this process, by the operating system's name: whoever may read the home's files
    may do everything."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user may have a number only
        name = f"uid {os.getuid()}"
    return Principal(name, Role.ADMIN, via="command line")
