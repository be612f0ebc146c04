"""Loaded models by name, each opened once."""

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
from spotlab.inference.isolated_model import IsolatedCapacity, IsolatedRisk, isolated
from spotlab.inference.model_workers import ModelWorkers
from spotlab.inference.tree_limits import TreeLimits

_REFERENCE: Final = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9._-]*)(?:@(?P<version>[a-z0-9][a-z0-9._-]*))?"
)


@dataclass(frozen=True, slots=True)
class Available:
    """An artefact that is on disk.

    Args:
        name, version: its folders.
        task: from its card; "" when refused.
        digest: SHA-256 over its checksums file; "" when refused.
        refused: why it cannot be used; "" when it can.
        card: card.json; empty when refused.
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
    """Which models are opened in another process.

    Args:
        folder: those in it, such as a home's uploads.
        trusts: whether one of this name, version and digest of its files is opened in this process
            after all; asked each time that it is wanted.
        workers: the processes.
    """

    folder: Path
    trusts: Callable[[str, str, str], bool]
    workers: ModelWorkers


class Predictor:
    """Opens artefacts on demand and keeps them; safe to share between threads.

    Args:
        models_dirs: folders of `<name>/<version>/` artefacts, such as the shipped ones and a home's
            uploads; where two hold the same version, the first one's counts.
        limits: how large a model's trees may be; None: the default ones.
        isolation: which of them are opened in another process; None: none is.
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
        """The model "name@version", or the newest version of "name", of any task.

        A model is kept by the content of its checksums file: a changed artefact is read anew. One
        of another process is opened when it is first asked, and may fail then.

        Raises:
            NotFound: no such artefact; says which there are.
            ArtefactRefused: it is there but must not be used; says why.
            ModelFailed: it failed in its own process a short time ago.
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
        """Whether an artefact of this content is opened in another process."""
        within = self._isolation
        if within is None or not folder.is_relative_to(within.folder):
            return False
        return not within.trusts(folder.parent.name, folder.name, digest)

    def sent(self, reference: str) -> Path | None:
        """The folder of a model that somebody sent, whoever vouches for it; None: of another, or
        it is not here."""
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
                self._isolated[digest] = isolated(folder, _verified(folder, digest), workers)
            model = self._isolated[digest]
        model.library.refuse_failed()
        return model

    def advisor(self, reference: str) -> CheckedModel:
        """`get`, for who wants the interruption rate of pools.

        Raises:
            NotFound, ArtefactRefused: as `get`.
            InvalidInput: it is a model of another task.
        """
        model = self.get(reference)
        if isinstance(model, CapacityModel):
            raise _of_another_task(model, "score pools: it wants their availability over time")
        return model

    def capacity(self, reference: str) -> CapacityModel:
        """`get`, for who wants the risk of losing capacity.

        Raises:
            NotFound, ArtefactRefused: as `get`.
            InvalidInput: it is a model of another task.
        """
        model = self.get(reference)
        if not isinstance(model, CapacityModel):
            raise _of_another_task(model, "forecast availability: it wants a market's feeds")
        return model

    def available(self) -> list[Available]:
        """Every artefact folder, by name, then newest version first; refused ones say why."""
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
            there = [f"{name}@{v.name}" for name in self._names() for v in self._versions(name)]
            raise NotFound(
                f"No model {reference!r}.",
                remedy=f"Available: {', '.join(there) or 'none'}.",
            )
        return versions[0]

    def _names(self) -> list[str]:
        return sorted({name for parent in self._models_dirs for name in _folders(parent)})

    def _versions(self, name: str) -> list[Path]:
        found: dict[str, Path] = {}
        for parent in self._models_dirs:
            for version in _folders(parent / name):
                found.setdefault(version, parent / name / version)
        return [found[version] for version in sorted(found, key=version_key, reverse=True)]


def _verified(folder: Path, digest: str) -> Artefact:
    """What is in a folder, which is named as its card and has the digest that was decided on."""
    artefact = verify(folder)
    spec = artefact.card.spec
    if (spec.name, spec.version) != (folder.parent.name, folder.name):
        raise ArtefactRefused(
            f"{folder.parent.name}/{folder.name}: its card says {spec.name} {spec.version}.",
            remedy="The folders are named as the card.",
        )
    if artefact.digest != digest:
        raise ArtefactRefused(
            f"{folder.parent.name}/{folder.name}: its files were changed while they were read.",
            remedy="Try again.",
        )
    return artefact


def _of_another_task(model: CheckedModel | CapacityModel, problem: str) -> InvalidInput:
    task = model.card["task"]
    return InvalidInput(
        f"{model.name} {model.version} is a model of the task {task} and cannot {problem}.",
        remedy="Name a model of the other task: see spotlab models list.",
    )


def version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts "1.10.0" after "1.9.0", and "1.0.0-rc1" before "1.0.0".

    >>> sorted(["1.10.0", "1.9.0"], key=version_key)
    ['1.9.0', '1.10.0']
    """
    parts = re.split(r"[.-]", version)
    return (*((1, int(p), "") if p.isdigit() else (0, 0, p) for p in parts), (1, -1, ""))


def _folders(parent: Path) -> list[str]:
    if not parent.is_dir():
        return []
    return sorted(p.name for p in parent.iterdir() if p.is_dir() and not p.name.startswith("."))
