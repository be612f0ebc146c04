"""Uploaded files, stored in the home so that a sweep can be resumed."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from spotlab.errors import InvalidInput, NotAvailable
from spotlab.runtime.model_unpacking import is_plain

TRACES: Final = "traces"
PRICES: Final = "prices"
MAX_STORED_BYTES: Final = 2 * 2**30
"""Limit of all stored files; they are never deleted automatically, since a sweep may be resumed."""
_DIGEST_LETTERS: Final = 16


def store_files(home: Path, part: str, named: Mapping[str, bytes]) -> tuple[Path, bool]:
    """Store files in a folder named by their content; identical files are stored once.

    Args:
        home: of the app.
        part: TRACES or PRICES.
        named: one or more files, content by name.
    Returns:
        The folder, which appears complete for other readers, and whether it is new.
    Raises:
        NotAvailable: the files would exceed MAX_STORED_BYTES.
        InvalidInput: a name is not a plain file name.
    """
    for name in named:
        if not is_plain(name):
            raise InvalidInput(f"{name[:100]!r} is not a valid file name.")
    digest = hashlib.sha256()
    for name, content in sorted(named.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    target = home / part / digest.hexdigest()[:_DIGEST_LETTERS]
    if target.is_dir():
        return target, False
    new_bytes = sum(len(content) for content in named.values())
    if _stored_bytes(home) + new_bytes > MAX_STORED_BYTES:
        raise NotAvailable(
            f"Uploaded files have reached their limit of {MAX_STORED_BYTES / 1e9:.1f} GB.",
            remedy=f"Ask an administrator to delete old files under {TRACES} and {PRICES} in "
            "SPOTLAB_HOME.",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix="sent-") as temporary:
        complete = Path(temporary) / "whole"
        complete.mkdir()
        for name, content in named.items():
            (complete / name).write_bytes(content)
        if not target.is_dir():
            complete.replace(target)
    return target, True


def _stored_bytes(home: Path) -> int:
    files = (file for part in (TRACES, PRICES) for file in (home / part).glob("*/*"))
    return sum(file.stat().st_size for file in files)
