"""Files for comparing models: recorded ones on this machine, and uploads."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Protocol

from spotlab.training.advisor.datasets import data_folder
from spotlab.training.advisor.labels import TRAILING

TRACES: Final = "traces"
ADVISOR: Final = "advisor"
PRICES: Final = "spot-prices"
_TRACE_FILE: Final = re.compile(r".+\.(json|csv)(\.gz)?")
_DATED: Final = re.compile(r"(\d{4}-\d{2}-\d{2})\.json(\.gz)?")
_LONGEST_NAME: Final = 100
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]+")


class BrowserFile(Protocol):
    """An uploaded file, as Streamlit provides it."""

    @property
    def name(self) -> str:
        """File name on the user's machine."""
        ...

    def getvalue(self) -> bytes:
        """The file's content."""
        ...


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file from a browser; its name is safe to use on disk."""

    name: str
    content: bytes


def recorded_folder() -> Path | None:
    """The folder of recorded data, or None if this machine has none."""
    root = data_folder()
    return root if root.is_dir() else None


def trace_folders(root: Path) -> dict[str, int]:
    """Number of files in each folder of traces, by path relative to the root."""
    counts: dict[str, int] = {}
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if TRACES in inside.parts[:-1] and _TRACE_FILE.fullmatch(path.name):
            parent = str(inside.parent)
            counts[parent] = counts.get(parent, 0) + 1
    return counts


def dated(root: Path, kind: str) -> Mapping[str, str]:
    """Day of each file of a kind (ADVISOR or PRICES) by path relative to the root, oldest first."""
    days = {}
    for path in root.rglob("*.json*"):
        match = _DATED.fullmatch(path.name)
        if match is not None and path.parent.name == kind:
            days[str(path.relative_to(root))] = match[1]
    return dict(sorted(days.items(), key=lambda item: (item[1], item[0])))


def later(days: Mapping[str, str], day: str) -> dict[str, str]:
    """The files whose trailing month begins after a day.

    Args:
        days: day by path, as from `dated`.
        day: ISO date.
    """
    first = date.fromisoformat(day) + TRAILING + timedelta(days=1)
    return {path: each for path, each in days.items() if date.fromisoformat(each) >= first}


def uploaded(files: Sequence[BrowserFile]) -> tuple[UploadedFile, ...]:
    """Read uploaded files; characters that are not safe in a file name are replaced."""
    return tuple(UploadedFile(_safe_name(file.name), file.getvalue()) for file in files)


@contextmanager
def on_disk(files: Sequence[UploadedFile]) -> Iterator[list[Path]]:
    """Write the files to a temporary folder, which is deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="spotlab-upload-") as folder:
        paths = []
        for number, file in enumerate(files):
            own = Path(folder) / str(number)
            own.mkdir()
            (own / file.name).write_bytes(file.content)
            paths.append(own / file.name)
        yield paths


def _safe_name(name: str) -> str:
    # Keep the end of the name, because the suffix shows the kind of file.
    return _NOT_IN_NAMES.sub("_", Path(name).name)[-_LONGEST_NAME:].lstrip(".") or "file"
