"""What a person does with models: look, compare states, decide, assign.

The command line and the Models page both call ModelDesk; every verb that changes something takes
who does it and why, and leaves a line in the audit trail.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from spotlab.domain.access import Principal, Right, Role
from spotlab.domain.decision import Instance
from spotlab.domain.model_lifecycle import ModelAction, ModelState, allowed
from spotlab.domain.ports import By, Clock, Fleet, ModelEvent, ModelRecord, ModelRegistry
from spotlab.errors import InvalidInput, NotFound
from spotlab.inference.predictor import Available, Predictor
from spotlab.runtime.model_dry_run import DryRunLimits, dry_run
from spotlab.runtime.model_registration import notices
from spotlab.runtime.model_selection import RISK_TASK
from spotlab.runtime.model_upload import UploadReport, upload

if TYPE_CHECKING:
    from spotlab.runtime.lab import Lab

MAIN_HORIZON: Final = "1 h"
_NO_FILES: Final = "Its files are not on disk."
FIGURES: Final = ("base_rate", "auc", "pr_auc", "brier", "brier_skill", "log_loss", "ece")


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model version as a list or a card shows it.

    Args:
        record: what is registered, with its card.
        refused: why its files cannot be used now; "" when they can.
        instances: ids of the active instances it is assigned to.
        moves: what may be done with it now: graduate, champion, reject, archive, enable, disable.
        isolated: whether it is opened in a process of its own.
    """

    record: ModelRecord
    refused: str
    instances: tuple[str, ...]
    moves: tuple[ModelAction, ...]
    isolated: bool = False

    @property
    def figures(self) -> dict[str, dict[str, float | None]]:
        """Metrics of the card: see `figures`."""
        return figures(self.record.card)


@dataclass(frozen=True, slots=True)
class ModelDesk:
    """Where models are looked at and decided about.

    Args:
        registry: versions, states and the audit trail.
        fleet: instances that models are assigned to.
        predictor: artefacts on disk.
        clock: the time.
        home: folder of all state; uploads go there.
    """

    registry: ModelRegistry
    fleet: Fleet
    predictor: Predictor
    clock: Clock
    home: Path

    @classmethod
    def of(cls, lab: Lab) -> ModelDesk:
        """The desk of a lab."""
        store = lab.store
        home = lab.settings.home.absolute()
        return cls(store.registry, store.fleet, lab.predictor, lab.clock, home)

    def entries(self, task: str | None = None) -> list[ModelEntry]:
        """Every version (of a task), by name, then newest first."""
        found = {f"{each.name}@{each.version}": each for each in self.predictor.available()}
        assigned = self._assigned()
        return [
            ModelEntry(
                record,
                found[record.reference].refused if record.reference in found else _NO_FILES,
                tuple(assigned.get(record.reference, ())),
                allowed(record.state, record.enabled),
                record.reference in found and self._isolated(found[record.reference]),
            )
            for record in self.registry.records()
            if task in (None, record.task)
        ]

    def entry(self, reference: str) -> ModelEntry:
        """One version: see `find`."""
        record = self.find(reference)
        return next(e for e in self.entries() if e.record.reference == record.reference)

    def find(self, reference: str) -> ModelRecord:
        """A version by "name@version"; by "name" its newest; by a task that task's champion.

        Raises:
            NotFound: says which there are.
        """
        records = self.registry.records()
        for record in records:
            if reference in (record.reference, record.name):
                return record
        for record in records:
            if reference == record.task and record.state == ModelState.CHAMPION:
                return record
        there = ", ".join(record.reference for record in records) or "none"
        raise NotFound(f"No model {reference!r} is registered.", remedy=f"Available: {there}.")

    def act(
        self, action: ModelAction | str, reference: str, who: Principal, reason: str = ""
    ) -> ModelRecord:
        """Graduate, reject, archive, enable or disable a version, or make it the champion.

        Args:
            action: one of a ModelEntry's moves.
            reference: "name@version"; "name" where it has one version only.
            who: asks for it.
            reason: why, in their words.
        Returns:
            The version as it is now.
        Raises:
            Forbidden: they may not decide about models.
            NotFound: no such version, or a champion to be whose files are gone.
            InvalidInput: no action for its state, or the name has several versions.
            ArtefactRefused: a champion to be whose files are not as they should be, or an uploaded
                version that would be trusted and has no first prediction in another process.
        """
        who.require(Right.DECIDE_MODELS)
        record = self._one(reference)
        chosen = _action(action)
        if chosen in (ModelAction.GRADUATE, ModelAction.CHAMPION):
            self._try(record)
        if chosen is ModelAction.CHAMPION:
            self.predictor.get(record.reference)
        by = By(who.name, self.clock.now(), reason, who.via)
        return self.registry.move(record.name, record.version, chosen, by)

    def assign(
        self,
        instance_id: str,
        reference: str | None,
        who: Principal,
        reason: str = "",
        expected: Instance | None = None,
    ) -> ModelRecord | None:
        """Let an instance be evaluated by a version of its own.

        Args:
            instance_id: which.
            reference: "name@version"; None or "champion": by the champion.
            who, reason: who asks for it, and why.
            expected: the instance as the change was made from it; None: however it is.
        Returns:
            The version, or None for the champion.
        Raises:
            Forbidden: they may not change instances.
            NotFound: no such instance or version.
            InvalidInput: the version is disabled, rejected, archived or of another task.
            ChangedMeanwhile: the instance is not as expected.
        """
        who.require(Right.CHANGE_INSTANCES)
        record = None
        if reference is not None and reference != ModelState.CHAMPION:
            record = self._one(reference)
            _refuse_other_task(record)
        by = By(who.name, self.clock.now(), reason, who.via)
        self.registry.assign(instance_id, record, by, expected)
        return record

    def upload(self, source: Path | bytes, who: Principal, reason: str = "") -> UploadReport:
        """Check an upload in quarantine and register it as a candidate; see `uploads.upload`.

        Raises:
            Forbidden: they may not upload models.
        """
        who.require(Right.UPLOAD_MODELS)
        by = By(who.name, self.clock.now(), reason, who.via)
        return upload(source, by, self.registry, self.predictor, self.home)

    def history(self, name: str | None = None, limit: int | None = None) -> list[ModelEvent]:
        """The audit trail, newest first, of every model or of one ("name" or "name@version").

        Raises:
            NotFound: no event and no version of that name.
        """
        if name is None:
            return self.registry.events(limit=limit)
        plain, _, version = name.partition("@")
        events = self.registry.events(plain)
        found = [event for event in events if version in ("", event.version)][:limit]
        if not found:
            self.find(name)
        return found

    def live_at(self, task: str, at: datetime) -> ModelEvent | None:
        """The event that had made the champion which was in force at a moment; None: none was."""
        return self.registry.live_at(task, at)

    def notices(self) -> list[str]:
        """What wants a person's eye, a sentence each."""
        return notices(self.registry.records(), self.predictor.available())

    def _isolated(self, found: Available) -> bool:
        return self.predictor.is_isolated(found.folder, found.digest)

    def _try(self, record: ModelRecord) -> None:
        """An uploaded version, before it may be opened in this process: once more outside it."""
        folder = self.predictor.sent(record.reference)
        if folder is not None:
            dry_run(folder, DryRunLimits())

    def _one(self, reference: str) -> ModelRecord:
        found = self.find(reference)
        versions = [r.reference for r in self.registry.records() if r.name == reference]
        if len(versions) > 1:
            raise InvalidInput(
                f"{reference!r} has several versions.", remedy=f"Name one: {', '.join(versions)}."
            )
        return found

    def _assigned(self) -> dict[str, list[str]]:
        assigned: dict[str, list[str]] = {}
        for instance in self.fleet.instances():
            if instance.model is not None:
                assigned.setdefault(instance.model, []).append(instance.instance_id)
        return assigned


def figures(card: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """A card's metrics with their 95 % intervals: {name: {value, low, high}}.

    Of a card with several horizons, those of one hour.
    """
    metrics = _mapping(card.get("metrics"))
    of_horizon = _mapping(metrics.get(MAIN_HORIZON))
    values = _mapping(metrics.get("model")) or _mapping(of_horizon.get("metrics")) or metrics
    intervals = _mapping(metrics.get("interval_95"))
    shown: dict[str, dict[str, float | None]] = {}
    for name in FIGURES:
        value, interval = values.get(name), intervals.get(name)
        low, high = interval if isinstance(interval, list) and len(interval) == 2 else (None, None)
        if (whole := _mapping(value)) and "value" in whole:
            value, low, high = whole["value"], whole.get("low"), whole.get("high")
        if isinstance(value, int | float):
            shown[name] = {"value": value, "low": low, "high": high}
    return shown


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def current_user() -> Principal:
    """Who runs this process, by the operating system's name: whoever may read the home's files
    may do everything."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user may have a number only
        name = f"uid {os.getuid()}"
    return Principal(name, Role.ADMIN, via="command line")


def _action(action: ModelAction | str) -> ModelAction:
    try:
        return ModelAction(action)
    except ValueError:
        raise InvalidInput(
            f"{action!r} is nothing that is done to a model.",
            remedy="Use graduate, champion, reject, archive, enable or disable.",
        ) from None


def _refuse_other_task(record: ModelRecord) -> None:
    if record.task != RISK_TASK:
        raise InvalidInput(
            f"Model {record.reference} is for the task {record.task}.",
            remedy=f"An instance is evaluated by a model of the task {RISK_TASK}.",
        )
