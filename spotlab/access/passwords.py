"""Password hashing with argon2id, and rejection of weak passwords."""

from __future__ import annotations

import re
import threading
import unicodedata
from functools import cache
from importlib.resources import files
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from spotlab.errors import InvalidInput

SHORTEST: Final = 12
LONGEST: Final = 256
MIN_DISTINCT: Final = 6
MAX_CONCURRENT: Final = 4
"""Each check uses 64 MiB: without this limit, sign-ins could exhaust the memory."""

_COMMON: Final = tuple(files(__package__).joinpath("common_words.txt").read_text().split())
"""Words in the most common passwords."""
_LEET: Final = str.maketrans("0134578@$!|", "oleastbasil")
_ROWS: Final = ("abcdefghijklmnopqrstuvwxyz", "0123456789", "qwertyuiop", "asdfghjkl", "zxcvbnm")


class Passwords:
    """Hashes and checks passwords.

    Args:
        hasher: argon2id; None: with the library's defaults (RFC 9106, low memory).
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._dummy_hash = self._hasher.hash("nobody has this password")
        self._slots = threading.BoundedSemaphore(MAX_CONCURRENT)

    def hash(self, password: str) -> str:
        """The hash to store."""
        with self._slots:
            return self._hasher.hash(_normalised(password))

    def check(self, stored: str | None, password: str) -> bool:
        """Whether a password has the stored hash; None (no password) takes just as long."""
        with self._slots:
            try:
                right = self._hasher.verify(
                    stored or self._dummy_hash, _normalised(password)[:LONGEST]
                )
            except (VerificationError, InvalidHashError):
                return False
        return right and stored is not None

    def is_weaker(self, stored: str) -> bool:
        """Whether a hash was made with other parameters than the present ones."""
        return self._hasher.check_needs_rehash(stored)


@cache
def passwords() -> Passwords:
    """The instance of this process."""
    return Passwords()


def reject_weak(password: str, name: str = "") -> None:
    """Reject a weak password.

    Args:
        password: the new password.
        name: of the user; the password must not be made of it.
    Raises:
        InvalidInput: the password is weak; the message does not contain it.
    """
    text = _normalised(password)
    if len(text) < SHORTEST:
        raise InvalidInput(
            f"The password has fewer than {SHORTEST} characters.",
            remedy="Several unrelated words are long and easy to remember.",
        )
    if len(text) > LONGEST:
        raise InvalidInput(f"The password has more than {LONGEST} characters.")
    plain = text.lower()
    if len(set(plain)) < MIN_DISTINCT:
        raise InvalidInput(
            "The password repeats a few characters.", remedy="Use more different ones."
        )
    if name and len(name) > 2 and _is_made_of(plain, (*_COMMON, name.lower())):
        raise InvalidInput(
            "The password is a common one, or is made of the name.",
            remedy="Add unexpected words.",
        )
    if _is_made_of(plain, _COMMON):
        raise InvalidInput(
            "The password is a common one.",
            remedy="Add unexpected words.",
        )


def _normalised(password: str) -> str:
    """The password in Unicode form NFKC, so that keyboards may compose accents differently."""
    return unicodedata.normalize("NFKC", password)


def _is_made_of(plain: str, words: tuple[str, ...]) -> bool:
    """Whether a password consists only of these words, keyboard rows, digits and symbols."""
    core = re.sub(r"^[^a-z]+|[^a-z]+$", "", plain)
    for text in (plain, core.translate(_LEET)):
        rest = _without_rows(re.sub(r"[^a-z0-9]", " ", text))
        rest = re.sub(r"[0-9]", " ", rest)
        if all(_splits(part, words) for part in rest.split()):
            return True
    return False


def _without_rows(text: str) -> str:
    """Removes runs of four or more neighbouring letters of the alphabet or a keyboard row."""
    for row in (*_ROWS, *(row[::-1] for row in _ROWS)):
        for length in range(len(row), 3, -1):
            for start in range(len(row) - length + 1):
                text = text.replace(row[start : start + length], " ")
    return text


def _splits(part: str, words: tuple[str, ...]) -> bool:
    """Whether a text is a concatenation of these words."""
    reached = {0}
    for end in range(1, len(part) + 1):
        if any(end - len(w) in reached and part[:end].endswith(w) for w in words):
            reached.add(end)
    return len(part) in reached
