"""The user that a command acts as.

If SPOTLAB_TOKEN is set, that is the user of the API token. Otherwise it is the operating system's
user, with all rights: who can read the files in the home has access to everything anyway.
"""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING, Final

from spotlab.domain.access import Principal, Role

if TYPE_CHECKING:
    from spotlab.runtime.lab import Lab

TOKEN_VARIABLE: Final = "SPOTLAB_TOKEN"  # noqa: S105 (the variable's name)


def principal_of_command(lab: Lab) -> Principal:
    """The principal that a command acts as.

    Raises:
        NotSignedIn: SPOTLAB_TOKEN is set, but is not a valid token.
    """
    token = os.environ.get(TOKEN_VARIABLE)
    if token is None:
        return current_user()
    from spotlab.access.authentication import Gate

    return Gate(lab).bearer(token)


def current_user() -> Principal:
    """Who runs this process, by the operating system's name: whoever may read the home's files
    may do everything."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user may have a number only
        name = f"uid {os.getuid()}"
    return Principal(name, Role.ADMIN, via="command line")
