"""Secret key of the app: from the setting, or from a file in the home that is created once.

Signatures and encryption use keys derived for one purpose each.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spotlab.errors import InvalidSetting, NotAvailable
from spotlab.settings import Settings

SHORTEST: Final = 32
FILE: Final = "secret.key"


@dataclass(frozen=True, slots=True, repr=False)
class SecretKey:
    """The key from which all others are derived; it is never shown."""

    _bytes: bytes

    def derived(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose; it reveals neither this key nor other derived keys."""
        return hmac.digest(self._bytes, f"spotlab:{purpose}".encode(), "sha256")

    @property
    def fingerprint(self) -> str:
        """A public fingerprint, in hex: equal keys have equal fingerprints."""
        return hashlib.sha256(self.derived("fingerprint")).hexdigest()[:16]


def secret_key(settings: Settings) -> SecretKey:
    """The secret key for these settings.

    Raises:
        InvalidSetting: it is too short, or other users may read its file.
        NotAvailable: its file cannot be created or read.
    """
    if settings.secret_key is not None:
        text = settings.secret_key.get_secret_value()
        if len(text) < SHORTEST:
            raise InvalidSetting(
                f"SPOTLAB_SECRET_KEY has {len(text)} characters.",
                remedy=f"Use {SHORTEST} or more, such as the output of `openssl rand -hex 32`.",
            )
        return SecretKey(text.encode())
    path = settings.home.absolute() / FILE
    try:
        return SecretKey(_read_or_create(path))
    except OSError as exc:
        raise NotAvailable(
            f"The secret key's file {FILE} cannot be used: {exc.strerror}.",
            remedy="Make the home writable, or set SPOTLAB_SECRET_KEY.",
        ) from exc


def _read_or_create(path: Path) -> bytes:
    if not path.exists():
        _create(path)
    if path.stat().st_mode & 0o077:
        raise InvalidSetting(
            f"Other users may read {FILE}, which signs sessions.",
            remedy="Run `chmod 600` on it. If it may have been read, delete it; all users then "
            "have to sign in again.",
        )
    text = path.read_bytes().strip()
    if len(text) < SHORTEST:
        raise InvalidSetting(
            f"{FILE} is truncated.", remedy="Delete it; all users then have to sign in again."
        )
    return text


def _create(path: Path) -> None:
    """Create the file atomically; if two processes do so together, the first one's remains."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{FILE}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
