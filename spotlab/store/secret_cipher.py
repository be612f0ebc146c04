"""Encryption of secrets in columns of the database."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

_MARK: Final = "encrypted: "
"""No plain secret of these columns has a space, so that the two cannot be confused."""


class SecretCipher:
    """Encrypts and decrypts texts with a key that is read at first use.

    Args:
        key: returns 32 bytes, the same in every process that uses the database.
    """

    def __init__(self, key: Callable[[], bytes]) -> None:
        self._key = key
        self._fernet: Fernet | None = None
        self._lock = threading.Lock()

    def encrypt(self, text: str) -> str:
        """The encrypted text; "" stays "". Raises NotAvailable, InvalidSetting: there is no key."""
        return f"{_MARK}{self._cipher().encrypt(text.encode()).decode()}" if text else ""

    def decrypt(self, stored: str) -> str | None:
        """The text; one that was stored before it was encrypted is returned as it is.

        Returns:
            None: it was encrypted with another key.
        Raises:
            NotAvailable, InvalidSetting: there is no key.
        """
        if not is_encrypted(stored):
            return stored
        from cryptography.fernet import InvalidToken

        try:
            return self._cipher().decrypt(stored.removeprefix(_MARK).encode()).decode()
        except InvalidToken:
            return None

    def _cipher(self) -> Fernet:
        from cryptography.fernet import Fernet

        with self._lock:
            if self._fernet is None:
                self._fernet = Fernet(base64.urlsafe_b64encode(self._key()))
            return self._fernet


def is_encrypted(stored: str) -> bool:
    """Whether a stored text is encrypted."""
    return stored.startswith(_MARK)
