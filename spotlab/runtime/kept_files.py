"""Files that somebody sent, kept in the home so that a sweep can go on. Runtime floor."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from spotlab.errors import InvalidInput
from spotlab.runtime.unpacking import is_plain

TRACES: Final = "traces"
PRICES: Final = "prices"
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
        InvalidInput: a name is no plain one.
    """
    for name in named:
        if not is_plain(name):
            raise InvalidInput(f"{name[:100]!r} cannot be the name of a file.")
    digest = hashlib.sha256()
    for name, content in sorted(named.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    place = home / part / digest.hexdigest()[:_DIGEST_LETTERS]
    if place.is_dir():
        return place, False
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix="sent-") as made:
        whole = Path(made) / "whole"
        whole.mkdir()
        for name, content in named.items():
            (whole / name).write_bytes(content)
        if not place.is_dir():
            whole.replace(place)
    return place, True
