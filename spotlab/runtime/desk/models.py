"""Models: everybody who reads sees them; who may decide is asked in ModelDesk. Runtime floor."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

from spotlab.domain.access import Right
from spotlab.domain.lifecycle import ModelAction, ModelState
from spotlab.domain.ports import ModelEvent, ModelRecord, Topic
from spotlab.errors import InvalidInput
from spotlab.runtime.desk.base import DeskPart
from spotlab.runtime.registry import ModelDesk, ModelEntry
from spotlab.runtime.uploads import UploadReport


class Step(StrEnum):
    """What is done with a model, in the words of whoever decides about it."""

    ACCEPT = "accept"
    GRADUATE = "graduate"
    ENABLE = "enable"
    DISABLE = "disable"
    ACTIVATE = "activate"
    REJECT = "reject"
    ARCHIVE = "archive"


_MOVES: Final = {Step.ACCEPT: ModelAction.GRADUATE, Step.ACTIVATE: ModelAction.CHAMPION}


class ModelsDesk(DeskPart):
    """Model versions."""

    __slots__ = ()

    @property
    def _desk(self) -> ModelDesk:
        self.require(Right.READ)
        return ModelDesk.of(self.lab)

    def entries(self, task: str | None = None) -> Sequence[ModelEntry]:
        """Every version (of a task). Raises Forbidden."""
        return self._desk.entries(task)

    def entry(self, reference: str) -> ModelEntry:
        """One version: see `ModelDesk.find`. Raises NotFound, Forbidden."""
        return self._desk.entry(reference)

    def history(self, name: str | None = None, limit: int | None = None) -> Sequence[ModelEvent]:
        """The models' trail, newest first. Raises NotFound, Forbidden."""
        return self._desk.history(name, limit)

    def act(self, action: ModelAction | str, reference: str, reason: str = "") -> ModelRecord:
        """See `ModelDesk.act`. Raises NotFound, InvalidInput, ArtefactRefused, Forbidden."""
        record = self._desk.act(action, reference, self.who, reason)
        self.lab.bus.publish(Topic.MODELS)
        return record

    def take(self, step: Step, reference: str, reason: str = "") -> ModelRecord:
        """Take a step with a version: accept is to graduate a candidate, activate is to make it the
        champion.

        Raises:
            NotFound, InvalidInput, ArtefactRefused, Forbidden: as in `act`; nothing changed.
        """
        self.require(Right.DECIDE_MODELS)
        if step is Step.ACCEPT:
            record = self._desk.find(reference)
            if record.state != ModelState.CANDIDATE:
                raise InvalidInput(
                    f"Model {record.reference} is {record.state}.",
                    remedy="Accept is for a candidate.",
                )
        return self.act(_MOVES.get(step, step.value), reference, reason)

    def upload(self, source: Path | bytes, reason: str = "") -> UploadReport:
        """See `ModelDesk.upload`. Raises InvalidInput, ArtefactRefused, Forbidden."""
        report = self._desk.upload(source, self.who, reason)
        self.lab.bus.publish(Topic.MODELS)
        return report
