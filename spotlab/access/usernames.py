"""Names of users: as somebody types them, and which there may be."""

from __future__ import annotations

import re
from typing import Final

from spotlab.domain.access import RESERVED
from spotlab.errors import InvalidInput

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


def typed_name(name: str) -> str:
    """The name that somebody means by what they typed; whether there is one is not said."""
    return name.strip().lower()[:64]


def made_name(words: str) -> str:
    """The name nearest to what a provider calls somebody."""
    plain = re.sub(r"[^a-z0-9._@-]+", "-", words.strip().lower()).strip("-._@")[:64]
    return plain if NAME.fullmatch(plain) and plain not in RESERVED else "user"


def checked_name(name: str) -> str:
    """A name that a user may have.

    Raises:
        InvalidInput: says which may be.
    """
    plain = name.strip().lower()
    if not NAME.fullmatch(plain):
        raise InvalidInput(
            "That is no name for a user.",
            remedy="Use up to 64 letters, digits and . _ @ -, beginning with a letter or digit.",
        )
    if plain in RESERVED:
        raise InvalidInput(
            f"{plain!r} is what SpotLab calls itself or its visitors.",
            remedy=f"Use another name than {' and '.join(sorted(RESERVED))}.",
        )
    return plain
