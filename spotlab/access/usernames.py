"""User names: normalisation and validation."""

from __future__ import annotations

import re
from typing import Final

from spotlab.domain.access import RESERVED
from spotlab.errors import InvalidInput

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


def typed_name(name: str) -> str:
    """A typed name, normalised; it may not exist."""
    return name.strip().lower()[:64]


def name_from_provider(words: str) -> str:
    """A valid name that resembles the one from the identity provider."""
    plain = re.sub(r"[^a-z0-9._@-]+", "-", words.strip().lower()).strip("-._@")[:64]
    return plain if NAME.fullmatch(plain) and plain not in RESERVED else "user"


def validated_name(name: str) -> str:
    """A valid user name.

    Raises:
        InvalidInput: the name is invalid or reserved; the remedy says which are valid.
    """
    plain = name.strip().lower()
    if not NAME.fullmatch(plain):
        raise InvalidInput(
            "This is not a valid user name.",
            remedy="Use up to 64 letters, digits and . _ @ -, beginning with a letter or digit.",
        )
    if plain in RESERVED:
        raise InvalidInput(
            f"{plain!r} is reserved for SpotLab itself or its visitors.",
            remedy=f"Use another name than {' and '.join(sorted(RESERVED))}.",
        )
    return plain
