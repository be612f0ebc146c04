"""Encryption of receivers' addresses in the database.

Anyone who knows a webhook's address can post to it. The address is encrypted with a key derived
from the app's secret key; without that key, only scheme and host are stored, logged and shown.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

from cryptography.fernet import Fernet, InvalidToken

from spotlab.access.secret_key import SecretKey, secret_key
from spotlab.errors import NotAvailable
from spotlab.settings import Settings

_ADDRESSES: Final = "alert addresses"
_SIGNATURES: Final = "alert signatures"


@dataclass(frozen=True, slots=True, repr=False)
class AddressCipher:
    """Encrypts and decrypts addresses, and derives signing keys, from the app's secret key.

    Args:
        key: the app's secret key.
    """

    key: SecretKey

    def encrypt(self, address: str) -> str:
        """The encrypted address."""
        return self._fernet().encrypt(address.encode()).decode()

    def decrypt(self, sealed: str) -> str:
        """The decrypted address.

        Raises:
            NotAvailable: it was encrypted with another key.
        """
        try:
            return self._fernet().decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise NotAvailable(
                "The receiver's address was encrypted with another secret key.",
                remedy="Use the same SPOTLAB_SECRET_KEY everywhere, or enter the address again.",
            ) from None

    def signing_key(self, rule_id: str) -> str:
        """The key that signs a rule's notifications, in hex; the receiver verifies them with it."""
        return self.key.derived(f"{_SIGNATURES}:{rule_id}").hex()

    def _fernet(self) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(self.key.derived(_ADDRESSES)))


def address_cipher(settings: Settings) -> AddressCipher:
    """The cipher for these settings. Raises InvalidSetting and NotAvailable: there is no key."""
    return AddressCipher(secret_key(settings))
