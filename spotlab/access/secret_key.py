"""The secret key: from the setting, or a file of the home made once.

What is signed or sealed uses a key derived for that purpose alone.
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
    """The key that everything secret hangs on; it is never shown."""

    _bytes: bytes

    def derived(self, purpose: str) -> bytes:
        """32 bytes for one purpose; they say nothing of the key or of another purpose's."""
        return hmac.digest(self._bytes, f"spotlab:{purpose}".encode(), "sha256")

    @property
    def fingerprint(self) -> str:
        """What may be told of it: equal keys have equal fingerprints."""
        return hashlib.sha256(self.derived("fingerprint")).hexdigest()[:16]


def secret_key(settings: Settings) -> SecretKey:
    """The key of these settings.

    Raises:
        InvalidSetting: it is too short, or others may read its file.
        NotAvailable: its file cannot be made or read.
    """
    if settings.secret_key is not None:
        text = settings.secret_key.get_secret_value()
        if len(text) < SHORTEST:
            raise InvalidSetting(
                f"SPOTLAB_SECRET_KEY has {len(text)} characters.",
                remedy=f"Use {SHORTEST} or more, such as those of `openssl rand -hex 32`.",
            )
        return SecretKey(text.encode())
    path = settings.home.absolute() / FILE
    try:
        return SecretKey(_kept(path))
    except OSError as exc:
        raise NotAvailable(
            f"The secret key's file {FILE} cannot be used: {exc.strerror}.",
            remedy="Make the home writable, or set SPOTLAB_SECRET_KEY.",
        ) from exc


def _kept(path: Path) -> bytes:
    if not path.exists():
        _make(path)
    if path.stat().st_mode & 0o077:
        raise InvalidSetting(
            f"Others may read {FILE}, which signs sessions.",
            remedy="`chmod 600` it; if somebody may have read it, delete it: all sign in anew.",
        )
    text = path.read_bytes().strip()
    if len(text) < SHORTEST:
        raise InvalidSetting(f"{FILE} is cut short.", remedy="Delete it: all sign in anew.")
    return text


def _make(path: Path) -> None:
    """Whole or not at all, and once: whoever comes second takes the first one's."""
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
