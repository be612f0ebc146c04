"""Models: everybody who reads sees them; who may decide is asked in ModelDesk. Runtime floor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spotlab.domain.access import Right
from spotlab.domain.lifecycle import ModelAction
from spotlab.domain.ports import ModelEvent, ModelRecord, Topic
from spotlab.runtime.desk.base import DeskPart
from spotlab.runtime.registry import ModelDesk, ModelEntry
from spotlab.runtime.uploads import UploadReport


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

    def upload(self, source: Path | bytes, reason: str = "") -> UploadReport:
        """See `ModelDesk.upload`. Raises InvalidInput, ArtefactRefused, Forbidden."""
        report = self._desk.upload(source, self.who, reason)
        self.lab.bus.publish(Topic.MODELS)
        return report
