"""Traces and prices from the browser, kept in the home so that a sweep can go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from spotlab.sweeps.uploaded_files import PRICES, TRACES
from spotlab.ui.common import formatting, session
from spotlab.ui.models import comparison_files
from spotlab.ui.models.comparison_files import Sent

__all__ = ["PRICES", "TRACES", "apart", "folders", "keep"]


def folders(home: Path) -> dict[str, tuple[str, Path]]:
    """Folders with traces: by a stable name, what to call them and where they are.

    Recorded ones come first, those without a licence after them, then those that were sent.
    """
    root = comparison_files.folder()
    recorded = comparison_files.trace_folders(root) if root is not None else {}
    ordered = sorted(recorded, key=lambda name: (name.startswith("evaluation-only"), name))
    found = {
        name: (f"{name} · {formatting.count(recorded[name], 'file')}", root / name)
        for name in ordered
        if root is not None
    }
    for folder in sorted((home / TRACES).glob("*")):
        inside = sorted(path.name for path in folder.iterdir())
        told = f"sent: {formatting.listed(inside, most=2)}"
        found[f"sent-{folder.name}"] = (told, folder)
    return found


def keep(part: str, sent: Sequence[Sent]) -> Path:
    """Keep files that were sent; the same files are kept once. See `BacktestsDesk.keep`."""
    return session.desk().backtests.keep(part, apart(sent))


def apart(sent: Sequence[Sent]) -> Mapping[str, bytes]:
    """Names that differ: a second file of the same name is numbered."""
    named: dict[str, bytes] = {}
    for number, file in enumerate(sent):
        named[file.name if file.name not in named else f"{number}-{file.name}"] = file.content
    return named
