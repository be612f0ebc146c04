"""Model artefacts by name and version, each opened once."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from spotlab.errors import ArtefactRefused, InvalidInput, NotFound
from spotlab.inference.adapters import CheckedModel
from spotlab.inference.artefacts import SUMS, Artefact, open_verified, verify
from spotlab.inference.capacity import CapacityModel
from spotlab.inference.isolated_model import IsolatedCapacity, IsolatedRisk, open_isolated
from spotlab.inference.model_workers import ModelWorkers
from spotlab.inference.tree_limits import TreeLimits

_REFERENCE: Final = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9._-]*)(?:@(?P<version>[a-z0-9][a-z0-9._-]*))?"
)


@dataclass(frozen=True, slots=True)
class Available:
    """An artefact on disk.

    Args:
        name, version: names of its folders.
        task: from its card; "" if refused.
        digest: SHA-256 over its checksums file; "" if refused.
        refused: why it cannot be used; "" if it can.
        card: card.json; empty if refused.
        folder: where it is.
    """

    name: str
    version: str
    task: str
    digest: str
    refused: str = ""
    card: Mapping[str, Any] = field(default_factory=dict)
    folder: Path = Path()


@dataclass(frozen=True, slots=True)
class Isolation:
    """The models that are opened in a separate process.

    Args:
        folder: models in this folder, such as a home's uploads, are isolated.
        trusts: whether a model with this name, version and digest is opened in this process
            nevertheless; called for each request.
        workers: start and manage the processes.
    """

    folder: Path
    trusts: Callable[[str, str, str], bool]
    workers: ModelWorkers


class Predictor:
    """Opens artefacts on demand and caches them; thread-safe.

    Args:
        models_dirs: folders of `<name>/<version>/` artefacts, such as the shipped ones and a home's
            uploads; if two contain the same version, the first one is used.
        limits: largest size of a model's trees; None: the defaults.
        isolation: the models that are opened in a separate process; None: none.
    """

    def __init__(
        self,
        *models_dirs: Path,
        limits: TreeLimits | None = None,
        isolation: Isolation | None = None,
    ) -> None:
        self.limits = limits or TreeLimits()
        self._models_dirs = models_dirs
        self._isolation = isolation
        self._loaded: dict[str, CheckedModel | CapacityModel] = {}
        self._isolated: dict[str, IsolatedRisk | IsolatedCapacity] = {}
        self._lock = threading.Lock()

    def get(self, reference: str) -> CheckedModel | CapacityModel:
        """The model "name@version", or the newest version of "name", for any task.

        Models are cached by the content of their checksums file, so a changed artefact is read
        again. An isolated model is opened at its first request, and may fail then.

        Raises:
            NotFound: there is no such artefact; lists the available ones.
            ArtefactRefused: the artefact must not be used; gives the reason.
            ModelFailed: it failed recently in its own process.
        """
        folder = self._folder(reference)
        sums = folder / SUMS
        digest = hashlib.sha256(sums.read_bytes()).hexdigest() if sums.is_file() else ""
        if self._isolation is not None and self.is_isolated(folder, digest):
            return self._get_isolated(folder, digest, self._isolation.workers)
        with self._lock:
            if digest not in self._loaded:
                self._loaded[digest] = open_verified(_verified(folder, digest), folder, self.limits)
            return self._loaded[digest]

    def is_isolated(self, folder: Path, digest: str) -> bool:
        """Whether the artefact with this content is opened in a separate process."""
        within = self._isolation
        if within is None or not folder.is_relative_to(within.folder):
            return False
        return not within.trusts(folder.parent.name, folder.name, digest)

    def uploaded_folder(self, reference: str) -> Path | None:
        """The folder of an uploaded model, whether trusted or not; None for other or unknown
        models."""
        with suppress(NotFound):
            folder = self._folder(reference)
            if self._isolation is not None and folder.is_relative_to(self._isolation.folder):
                return folder
        return None

    def _get_isolated(
        self, folder: Path, digest: str, workers: ModelWorkers
    ) -> IsolatedRisk | IsolatedCapacity:
        with self._lock:
            self._loaded.pop(digest, None)  # it was trusted until now
            if digest not in self._isolated:
                self._isolated[digest] = open_isolated(folder, _verified(folder, digest), workers)
            model = self._isolated[digest]
        model.library.raise_if_failed()
        return model

    def advisor(self, reference: str) -> CheckedModel:
        """A model for the interruption rate of pools; otherwise as `get`.

        Raises:
            NotFound, ArtefactRefused: as `get`.
            InvalidInput: it is a model for another task.
        """
        model = self.get(reference)
        if isinstance(model, CapacityModel):
            raise _wrong_task(model, "score pools: it requires their availability over time")
        return model

    def capacity(self, reference: str) -> CapacityModel:
        """A model for the risk of losing capacity; otherwise as `get`.

        Raises:
            NotFound, ArtefactRefused: as `get`.
            InvalidInput: it is a model for another task.
        """
        model = self.get(reference)
        if not isinstance(model, CapacityModel):
            raise _wrong_task(model, "forecast availability: it requires a market's feeds")
        return model

    def available(self) -> list[Available]:
        """Every artefact folder, by name, newest version first; refused ones with the reason."""
        return [self._describe(folder) for name in self._names() for folder in self._versions(name)]

    def _describe(self, folder: Path) -> Available:
        name, version = folder.parent.name, folder.name
        try:
            artefact = verify(folder)
        except ArtefactRefused as exc:
            return Available(name, version, "", "", str(exc), folder=folder)
        card = artefact.card
        return Available(
            name, version, card.spec.task, artefact.digest, card=card.text, folder=folder
        )

    def _folder(self, reference: str) -> Path:
        match = _REFERENCE.fullmatch(reference)
        versions = self._versions(match["name"]) if match else []
        if match and match["version"]:
            versions = [folder for folder in versions if folder.name == match["version"]]
        if not versions:
            available = [f"{name}@{v.name}" for name in self._names() for v in self._versions(name)]
            raise NotFound(
                f"There is no model {reference!r}.",
                remedy=f"Available: {', '.join(available) or 'none'}.",
            )
        return versions[0]

    def _names(self) -> list[str]:
        return sorted({name for parent in self._models_dirs for name in _folders(parent)})

    def _versions(self, name: str) -> list[Path]:
        folders: dict[str, Path] = {}
        for parent in self._models_dirs:
            for version in _folders(parent / name):
                folders.setdefault(version, parent / name / version)
        return [folders[version] for version in sorted(folders, key=version_key, reverse=True)]


def _verified(folder: Path, digest: str) -> Artefact:
    """The artefact in a folder, checked to have the folder's name and version and this digest."""
    artefact = verify(folder)
    spec = artefact.card.spec
    if (spec.name, spec.version) != (folder.parent.name, folder.name):
        raise ArtefactRefused(
            f"{folder.parent.name}/{folder.name}: its card is for {spec.name} {spec.version}.",
            remedy="Name the folders after the name and version in the card.",
        )
    if artefact.digest != digest:
        raise ArtefactRefused(
            f"{folder.parent.name}/{folder.name}: its files changed while they were read.",
            remedy="Try again.",
        )
    return artefact


def _wrong_task(model: CheckedModel | CapacityModel, problem: str) -> InvalidInput:
    task = model.card["task"]
    return InvalidInput(
        f"{model.name} {model.version} is a model for the task {task} and cannot {problem}.",
        remedy="Use a model for the other task; `spotlab models list` shows them.",
    )


def version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that puts "1.10.0" after "1.9.0", and "1.0.0-rc1" before "1.0.0".

    >>> sorted(["1.10.0", "1.9.0"], key=version_key)
    ['1.9.0', '1.10.0']
    """
    parts = re.split(r"[.-]", version)
    return (*((1, int(p), "") if p.isdigit() else (0, 0, p) for p in parts), (1, -1, ""))


def _folders(parent: Path) -> list[str]:
    if not parent.is_dir():
        return []
    return sorted(p.name for p in parent.iterdir() if p.is_dir() and not p.name.startswith("."))
