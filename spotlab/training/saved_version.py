"""What every trainer does around its fit: count steps, and save a version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spotlab.errors import Cancelled, InvalidInput
from spotlab.inference import artefacts

Step = Callable[[str], None]
"""Told what is being done; may raise Cancelled."""


def counted_steps(
    progress: Callable[[str, float], None], cancelled: Callable[[], bool], count: int
) -> Step:
    """Each step tells the share done, of so many, and stops where it was asked to.

    Raises:
        Cancelled: by a step; nothing was written.
    """
    done = -1

    def step(text: str) -> None:
        nonlocal done
        if cancelled():
            raise Cancelled("Training was stopped; nothing was written.")
        done += 1
        progress(text, min(1.0, done / count))

    return step


def save_version(
    out_dir: Path,
    name: str,
    first_version: str,
    model: bytes,
    make_card: Callable[[str], bytes],
    version: str | None,
) -> tuple[Path, bool]:
    """Save as the asked version, or the first that is free or already holds this very content.

    Args:
        out_dir: folder of all artefacts.
        name: the model's.
        first: version to begin with, such as "1.2.0"; its minor number is counted up.
        model: the model file's content.
        draw_up: the card of a version.
        version: the one asked for; None: the first that fits.
    Returns:
        The version's folder, and whether it is new.
    Raises:
        InvalidInput: the version asked for is there with other content.
    """
    major, minor, patch = (int(part) for part in first_version.split("."))
    while True:
        candidate = version or f"{major}.{minor}.{patch}"
        content = make_card(candidate)
        folder = out_dir / name / candidate
        if not folder.exists():
            return artefacts.save(out_dir, content, model), True
        existing = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        if existing.get(artefacts.CARD) == content and model in existing.values():
            return folder, False
        if version:
            raise InvalidInput(
                f"{name} {version} exists with other content.",
                remedy="A version never changes: choose another, or none for the next free one.",
            )
        minor += 1
