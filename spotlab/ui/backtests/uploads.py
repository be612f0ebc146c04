"""Uploaded traces and prices, stored in the home so that a sweep can be resumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from spotlab.sweeps.uploaded_files import PRICES, TRACES
from spotlab.training import comparison_files
from spotlab.training.comparison_files import UploadedFile
from spotlab.ui.common import formatting, session

__all__ = ["PRICES", "TRACES", "folders", "save", "unique_names"]


def folders(home: Path) -> dict[str, tuple[str, Path]]:
    """Folders with traces: (label, path) by a stable name.

    Recorded ones come first, then those without a licence, then uploads.
    """
    root = comparison_files.recorded_folder()
    recorded = comparison_files.trace_folders(root) if root is not None else {}
    ordered = sorted(recorded, key=lambda name: (name.startswith("evaluation-only"), name))
    by_name = {
        name: (f"{name} · {formatting.count(recorded[name], 'file')}", root / name)
        for name in ordered
        if root is not None
    }
    for folder in sorted((home / TRACES).glob("*")):
        names = sorted(path.name for path in folder.iterdir())
        label = f"uploaded: {formatting.listed(names, most=2)}"
        by_name[f"sent-{folder.name}"] = (label, folder)
    return by_name


def save(part: str, files: Sequence[UploadedFile]) -> Path:
    """Store uploaded files; equal files are stored once. See `BacktestService.save_files`."""
    return session.services().backtests.save_files(part, unique_names(files))


def unique_names(files: Sequence[UploadedFile]) -> Mapping[str, bytes]:
    """Contents by name; further files of the same name get a number."""
    named: dict[str, bytes] = {}
    for number, file in enumerate(files):
        named[file.name if file.name not in named else f"{number}-{file.name}"] = file.content
    return named
