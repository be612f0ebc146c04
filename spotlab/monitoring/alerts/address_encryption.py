"""Keeps the address of a receiver unreadable in the database.

Whoever knows a webhook's address can post to it. It is encrypted with a key made from the app's
secret key; what is stored, logged and shown without that key is scheme and host alone.
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
class Sealer:
    """Seals, opens and signs with keys of its own, made from the app's.

    Args:
        key: the app's.
    """

    key: SecretKey

    def seal(self, address: str) -> str:
        """The address, unreadable without the key."""
        return self._fernet().encrypt(address.encode()).decode()

    def open(self, sealed: str) -> str:
        """The address.

        Raises:
            NotAvailable: it was sealed with another key.
        """
        try:
            return self._fernet().decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise NotAvailable(
                "The receiver's address was sealed with another secret key.",
                remedy="Use the same SPOTLAB_SECRET_KEY everywhere, or enter the address anew.",
            ) from None

    def signing_key(self, rule_id: str) -> str:
        """What a rule's messages are signed with; its receiver needs it to check them."""
        return self.key.derived(f"{_SIGNATURES}:{rule_id}").hex()

    def _fernet(self) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(self.key.derived(_ADDRESSES)))


def sealer(settings: Settings) -> Sealer:
    """The sealer of these settings. Raises InvalidSetting, NotAvailable: there is no key."""
    return Sealer(secret_key(settings))
