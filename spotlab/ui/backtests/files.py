"""Traces and prices from the browser, kept in the home so that a sweep can go on. Screens floor."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from spotlab.ui import words
from spotlab.ui.models import files
from spotlab.ui.models.files import Sent

KEPT: Final = "traces"
PRICES: Final = "prices"
_DIGEST_LETTERS: Final = 16


def folders(home: Path) -> dict[str, tuple[str, Path]]:
    """Folders with traces: by a stable name, what to call them and where they are.

    Recorded ones come first, those without a licence after them, then those that were sent.
    """
    root = files.folder()
    recorded = files.trace_folders(root) if root is not None else {}
    ordered = sorted(recorded, key=lambda name: (name.startswith("evaluation-only"), name))
    found = {
        name: (f"{name} · {words.count(recorded[name], 'file')}", root / name)
        for name in ordered
        if root is not None
    }
    for folder in sorted((home / KEPT).glob("*")):
        inside = sorted(path.name for path in folder.iterdir())
        told = f"sent: {words.listed(inside, most=2)}"
        found[f"sent-{folder.name}"] = (told, folder)
    return found


def keep(home: Path, part: str, sent: Sequence[Sent]) -> Path:
    """Keep files under a folder named by their content; the same files are kept once.

    Args:
        home: of the app.
        part: KEPT or PRICES.
        sent: one or more files.
    Returns:
        The folder, whole: another reader never sees a part of it.
    """
    named = _apart(sent)
    digest = hashlib.sha256()
    for name, content in sorted(named.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    place = home / part / digest.hexdigest()[:_DIGEST_LETTERS]
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix="sent-") as made:
        whole = Path(made) / "whole"
        whole.mkdir()
        for name, content in named.items():
            (whole / name).write_bytes(content)
        if not place.is_dir():
            whole.replace(place)
    return place


def _apart(sent: Sequence[Sent]) -> Mapping[str, bytes]:
    """Names that differ: a second file of the same name is numbered."""
    named: dict[str, bytes] = {}
    for number, file in enumerate(sent):
        named[file.name if file.name not in named else f"{number}-{file.name}"] = file.content
    return named
