"""Recorded files that two models can be compared on."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from spotlab.training.advisor.datasets import data_folder

TRACES: Final = "traces"
ADVISOR: Final = "advisor"
PRICES: Final = "spot-prices"
_TRACE_FILE: Final = re.compile(r".+\.(json|csv)(\.gz)?")
_DATED: Final = re.compile(r"(\d{4}-\d{2}-\d{2})\.json(\.gz)?")
_LONGEST_NAME: Final = 100
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]+")


class Uploaded(Protocol):
    """A file from a browser."""

    @property
    def name(self) -> str:
        """As on the reader's machine."""
        ...

    def getvalue(self) -> bytes:
        """Its content."""
        ...


@dataclass(frozen=True, slots=True)
class Sent:
    """A file from a browser, as it was sent."""

    name: str
    content: bytes


def folder() -> Path | None:
    """The folder of recorded data; None where it is not on this machine."""
    found = data_folder()
    return found if found.is_dir() else None


def trace_folders(root: Path) -> dict[str, int]:
    """Folders that hold traces, by their path under the root: how many files."""
    found: dict[str, int] = {}
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if TRACES in inside.parts[:-1] and _TRACE_FILE.fullmatch(path.name):
            parent = str(inside.parent)
            found[parent] = found.get(parent, 0) + 1
    return found


def dated(root: Path, kind: str) -> Mapping[str, str]:
    """Files of a kind (ADVISOR or PRICES), oldest first: day by path under the root."""
    known = {}
    for path in root.rglob("*.json*"):
        match = _DATED.fullmatch(path.name)
        if match is not None and path.parent.name == kind:
            known[str(path.relative_to(root))] = match[1]
    return dict(sorted(known.items(), key=lambda item: (item[1], item[0])))


def sent(files: Sequence[Uploaded]) -> tuple[Sent, ...]:
    """Files from a browser; a name is kept as far as it is a plain one."""
    return tuple(Sent(_plain(file.name), file.getvalue()) for file in files)


@contextmanager
def on_disk(files: Sequence[Sent]) -> Iterator[list[Path]]:
    """The files in a folder of their own, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="spotlab-sent-") as place:
        paths = []
        for number, file in enumerate(files):
            own = Path(place) / str(number)
            own.mkdir()
            (own / file.name).write_bytes(file.content)
            paths.append(own / file.name)
        yield paths


def _plain(name: str) -> str:
    # The end says what kind of file it is.
    return _NOT_IN_NAMES.sub("_", Path(name).name)[-_LONGEST_NAME:].lstrip(".") or "file"
