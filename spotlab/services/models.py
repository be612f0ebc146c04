"""Models: everybody who reads sees them; who may decide is asked in ModelDesk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from spotlab.domain.access import Right
from spotlab.domain.model_lifecycle import ModelAction, ModelState
from spotlab.domain.ports import ModelEvent, ModelRecord, RiskModel, Topic
from spotlab.errors import InvalidInput
from spotlab.runtime.model_catalogue import ModelDesk, ModelEntry
from spotlab.runtime.model_upload import UploadReport
from spotlab.services.base import DeskPart


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
        """Every version (of a task), with their own instances. Raises Forbidden."""
        return self.shown(self._desk.entries(task))

    def entry(self, reference: str) -> ModelEntry:
        """One version: see `ModelDesk.find`. Raises NotFound, Forbidden."""
        return self.shown([self._desk.entry(reference)])[0]

    def shown(self, entries: Sequence[ModelEntry]) -> Sequence[ModelEntry]:
        """The same, each with the instances that they see; for ones that were read already."""
        if self.sees_all():
            return entries
        seen = self._seen()
        return [
            replace(each, instances=tuple(i for i in each.instances if i in seen))
            for each in entries
        ]

    def find(self, reference: str) -> ModelRecord:
        """See `ModelDesk.find`. Raises NotFound, Forbidden."""
        return self._desk.find(reference)

    def records(self) -> Sequence[ModelRecord]:
        """Every version as it is registered, its files not checked. Raises Forbidden."""
        self.require(Right.READ)
        return self.lab.models()

    def champion(self, task: str) -> ModelRecord | None:
        """The champion of a task; None: it has none. Raises Forbidden."""
        return self._desk.registry.champion(task)

    def notices(self) -> Sequence[str]:
        """What wants a person's eye, a sentence each. Raises Forbidden."""
        return self._desk.notices()

    def live_at(self, task: str, at: datetime) -> ModelEvent | None:
        """See `ModelDesk.live_at`. Raises Forbidden."""
        return self._desk.live_at(task, at)

    def load(self, name: str | None = None) -> RiskModel:
        """A model of the advisor's task; see `Lab.model`.

        Raises:
            Forbidden, NotFound, ArtefactRefused: there is none for them.
        """
        self.require(Right.READ)
        return self.lab.model(name)

    def artefact(self, reference: str) -> Any:
        """A model of any task, by "name@version"; see `Predictor.get`.

        Raises:
            Forbidden, NotFound, ArtefactRefused: there is none for them.
        """
        self.require(Right.READ)
        return self.lab.predictor.get(reference)

    def history(self, name: str | None = None, limit: int | None = None) -> Sequence[ModelEvent]:
        """The models' trail, newest first; of assignments, those to instances that they see.

        Raises:
            NotFound, Forbidden: as in `ModelDesk.history`, or they may not read.
        """
        if self.sees_all():
            return self._desk.history(name, limit)
        seen = self._seen()
        every = self._desk.history(name)
        return [e for e in every if not e.instance_id or e.instance_id in seen][:limit]

    def _seen(self) -> frozenset[str]:
        every = self.lab.store.fleet.instances(active_only=False)
        return frozenset(i.instance_id for i in every if self.who.sees(i.account))

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
