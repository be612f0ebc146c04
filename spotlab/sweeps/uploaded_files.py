"""Files that somebody sent, kept in the home so that a sweep can go on."""

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
"""Of all that is kept: nothing deletes it by itself, as a sweep may go on any day."""
_DIGEST_LETTERS: Final = 16


def keep(home: Path, part: str, named: Mapping[str, bytes]) -> tuple[Path, bool]:
    """Keep files under a folder named by their content; the same files are kept once.

    Args:
        home: of the app.
        part: TRACES or PRICES.
        named: one or more files, content by name.
    Returns:
        The folder, whole (another reader never sees a part of it), and whether it is new.
    Raises:
        NotAvailable: with it, more would be kept than may be.
        InvalidInput: a name is no plain one.
    """
    for name in named:
        if not is_plain(name):
            raise InvalidInput(f"{name[:100]!r} cannot be the name of a file.")
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
            f"The files that were sent take {MAX_STORED_BYTES / 1e9:.1f} GB, as much as they may.",
            remedy=f"Ask whoever runs the server to delete old ones under {TRACES} and {PRICES} "
            "in SPOTLAB_HOME.",
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
