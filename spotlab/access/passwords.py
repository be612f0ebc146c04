"""Passwords: argon2id, and which are refused."""

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
FEWEST_DIFFERENT: Final = 6
AT_ONCE: Final = 4
"""Each check takes 64 MiB: more at once would let sign-ins alone use up the memory."""

_COMMON: Final = tuple(files(__package__).joinpath("common_words.txt").read_text().split())
"""Words of the passwords that are tried first."""
_LEET: Final = str.maketrans("0134578@$!|", "oleastbasil")
_ROWS: Final = ("abcdefghijklmnopqrstuvwxyz", "0123456789", "qwertyuiop", "asdfghjkl", "zxcvbnm")


class Passwords:
    """Hashes and checks passwords.

    Args:
        hasher: argon2id; None: with the library's parameters (RFC 9106, low memory).
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._nobodys = self._hasher.hash("nobody has this password")
        self._turn = threading.BoundedSemaphore(AT_ONCE)

    def hash(self, password: str) -> str:
        """What is kept of a password."""
        with self._turn:
            return self._hasher.hash(_normal(password))

    def check(self, kept: str | None, password: str) -> bool:
        """Whether a password is the one that was kept; takes as long where none was (None)."""
        with self._turn:
            try:
                right = self._hasher.verify(kept or self._nobodys, _normal(password)[:LONGEST])
            except (VerificationError, InvalidHashError):
                return False
        return right and kept is not None

    def is_weaker(self, kept: str) -> bool:
        """Whether a hash was made with less than today's parameters."""
        return self._hasher.check_needs_rehash(kept)


@cache
def passwords() -> Passwords:
    """The ones of this process."""
    return Passwords()


def refuse_weak(password: str, name: str = "") -> None:
    """Nothing, if a password may be chosen.

    Args:
        password: what somebody wants.
        name: who; it may not be built around their name.
    Raises:
        InvalidInput: says what is wrong with it, and never the password itself.
    """
    text = _normal(password)
    if len(text) < SHORTEST:
        raise InvalidInput(
            f"The password has fewer than {SHORTEST} characters.",
            remedy="A few words that do not belong together are long and easy to remember.",
        )
    if len(text) > LONGEST:
        raise InvalidInput(f"The password has more than {LONGEST} characters.")
    plain = text.lower()
    if len(set(plain)) < FEWEST_DIFFERENT:
        raise InvalidInput(
            "The password repeats a few characters.", remedy="Use more different ones."
        )
    if name and len(name) > 2 and _is_built_of(plain, (*_COMMON, name.lower())):
        raise InvalidInput(
            "The password is a common one, or built around the name.",
            remedy="Add words that nobody would expect.",
        )
    if _is_built_of(plain, _COMMON):
        raise InvalidInput(
            "The password is one of those that are tried first.",
            remedy="Add words that nobody would expect.",
        )


def _normal(password: str) -> str:
    """The same password, however a keyboard composes its accents."""
    return unicodedata.normalize("NFKC", password)


def _is_built_of(plain: str, words: tuple[str, ...]) -> bool:
    """Whether nothing but common words, rows of keys, digits and signs is in it."""
    core = re.sub(r"^[^a-z]+|[^a-z]+$", "", plain)
    for text in (plain, core.translate(_LEET)):
        rest = _without_rows(re.sub(r"[^a-z0-9]", " ", text))
        rest = re.sub(r"[0-9]", " ", rest)
        if all(_splits(part, words) for part in rest.split()):
            return True
    return False


def _without_rows(text: str) -> str:
    """Without runs of four or more neighbours of the alphabet or a keyboard's row."""
    for row in (*_ROWS, *(row[::-1] for row in _ROWS)):
        for length in range(len(row), 3, -1):
            for start in range(len(row) - length + 1):
                text = text.replace(row[start : start + length], " ")
    return text


def _splits(part: str, words: tuple[str, ...]) -> bool:
    """Whether a part is a chain of these words."""
    reached = {0}
    for end in range(1, len(part) + 1):
        if any(end - len(w) in reached and part[:end].endswith(w) for w in words):
            reached.add(end)
    return len(part) in reached
