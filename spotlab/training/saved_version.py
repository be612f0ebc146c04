"""Progress steps, version numbers and reports of training runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spotlab.errors import Cancelled, InvalidInput
from spotlab.inference import artefacts

Step = Callable[[str], None]
"""Called with a text at the start of each step; may raise Cancelled."""


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """Result of a training run.

    Args:
        name, version: of the artefact.
        folder: of the artefact.
        new: False if the same artefact existed already.
        rows: number of training rows, or by horizon.
        split: how the recipe was validated.
        measured: figures, as on the card.
    """

    name: str
    version: str
    folder: Path
    new: bool
    rows: int | Mapping[str, int]
    split: str
    measured: dict[str, Any]

    @property
    def headline(self) -> str:
        """Name, version and folder, and whether the artefact is new."""
        written = "written to" if self.new else "is unchanged in"
        return f"{self.name} {self.version} {written} {self.folder}"

    def as_document(self) -> dict[str, Any]:
        """The report as JSON-like values."""
        return {
            "name": self.name,
            "version": self.version,
            "folder": str(self.folder),
            "new": self.new,
            "rows": self.rows,
            "split": self.split,
            **self.measured,
        }


def counted_steps(
    progress: Callable[[str, float], None], cancelled: Callable[[], bool], count: int
) -> Step:
    """A `Step` that reports the completed share of `count` steps.

    Raises:
        Cancelled: by a step, if the run was cancelled; nothing was written.
    """
    done = -1

    def step(text: str) -> None:
        nonlocal done
        if cancelled():
            raise Cancelled("Training was cancelled; nothing was written.")
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
    """Save as the given version, or as the first version that is free or has the same content.

    Args:
        out_dir: folder of all artefacts.
        name: of the model.
        first_version: first version to try, such as "1.2.0"; then the minor number increases.
        model: content of the model file.
        make_card: content of the card, given the version.
        version: version to write; None: the first that fits.
    Returns:
        The version's folder, and whether it is new.
    Raises:
        InvalidInput: the given version exists with other content.
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
                remedy="A version never changes: choose another one, or omit it to use the next "
                "free one.",
            )
        minor += 1
