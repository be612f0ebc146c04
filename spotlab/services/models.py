"""Models: their versions, states, uploads and history, with the rights to change them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from spotlab.domain.access import Right
from spotlab.domain.model_lifecycle import ModelAction, ModelState, allowed_actions
from spotlab.domain.ports import ModelEvent, ModelRecord, RiskModel, Topic
from spotlab.errors import InvalidInput
from spotlab.inference.predictor import Available
from spotlab.runtime import model_upload
from spotlab.runtime.model_card import CardAnswers
from spotlab.runtime.model_catalogue import figures, find_model, find_one_version
from spotlab.runtime.model_dry_run import DryRunLimits, dry_run
from spotlab.runtime.model_registration import notices
from spotlab.runtime.model_upload import UploadReport
from spotlab.services.base import Service

_NO_FILES: Final = "Its files are not on disk."


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model version as a list or a card shows it.

    Args:
        record: the registered version, with its card.
        refused: why its files cannot be used now, or "".
        instances: ids of the active instances that it is assigned to.
        moves: the actions that its state allows: graduate, champion, reject, archive, enable,
            disable.
        isolated: whether it runs in a separate process.
    """

    record: ModelRecord
    refused: str
    instances: tuple[str, ...]
    moves: tuple[ModelAction, ...]
    isolated: bool = False

    @property
    def figures(self) -> dict[str, dict[str, float | None]]:
        """Metrics of the card: see `model_catalogue.figures`."""
        return figures(self.record.card)


class Step(StrEnum):
    """An action on a model, in the words of the API."""

    ACCEPT = "accept"
    GRADUATE = "graduate"
    ENABLE = "enable"
    DISABLE = "disable"
    ACTIVATE = "activate"
    REJECT = "reject"
    ARCHIVE = "archive"


_ACTIONS: Final = {Step.ACCEPT: ModelAction.GRADUATE, Step.ACTIVATE: ModelAction.CHAMPION}


class ModelService(Service):
    """Model versions, which are the same for all users; other instances' ids are omitted."""

    __slots__ = ()

    def entries(self, task: str | None = None) -> Sequence[ModelEntry]:
        """Every version (of a task), by name, then newest first. Raises Forbidden."""
        self.require(Right.READ)
        files = {f"{each.name}@{each.version}": each for each in self.lab.predictor.available()}
        assigned = self._assigned()
        return [
            self._entry(record, files.get(record.reference), assigned)
            for record in self.lab.store.registry.records()
            if task in (None, record.task)
        ]

    def entry(self, reference: str) -> ModelEntry:
        """One version: see `find`. Raises NotFound, Forbidden."""
        record = self.find(reference)
        return next(e for e in self.entries() if e.record.reference == record.reference)

    def find(self, reference: str) -> ModelRecord:
        """See `model_catalogue.find_model`. Raises NotFound, Forbidden."""
        self.require(Right.READ)
        return find_model(self.lab.store.registry, reference)

    def records(self) -> Sequence[ModelRecord]:
        """Every registered version; its files are not checked. Raises Forbidden."""
        self.require(Right.READ)
        return self.lab.models()

    def champion(self, task: str) -> ModelRecord | None:
        """The champion of a task, or None. Raises Forbidden."""
        self.require(Right.READ)
        return self.lab.store.registry.champion(task)

    def notices(self) -> Sequence[str]:
        """Sentences about versions that need a person's attention. Raises Forbidden."""
        self.require(Right.READ)
        return notices(self.lab.store.registry.records(), self.lab.predictor.available())

    def live_at(self, task: str, at: datetime) -> ModelEvent | None:
        """The event that made the champion at a given time, or None. Raises Forbidden."""
        self.require(Right.READ)
        return self.lab.store.registry.champion_event_at(task, at)

    def load(self, name: str | None = None) -> RiskModel:
        """A model of the task `advisor`; see `Lab.model`.

        Raises:
            Forbidden: the user may not read.
            NotFound, ArtefactRefused: the model cannot be opened.
        """
        self.require(Right.READ)
        return self.lab.model(name)

    def artefact(self, reference: str) -> Any:
        """A model of any task by "name@version"; see `Predictor.get`.

        Raises:
            Forbidden: the user may not read.
            NotFound, ArtefactRefused: the model cannot be opened.
        """
        self.require(Right.READ)
        return self.lab.predictor.get(reference)

    def history(self, name: str | None = None, limit: int | None = None) -> Sequence[ModelEvent]:
        """Events, newest first, of every model or of one ("name" or "name@version").

        Assignments to instances that the user does not see are omitted.

        Raises:
            NotFound: no event and no version of that name.
            Forbidden: the user may not read.
        """
        self.require(Right.READ)
        plain, _, version = (name or "").partition("@")
        filtered = bool(version) or not self.sees_all()
        events = self.lab.store.registry.events(plain or None, None if filtered else limit)
        events = [event for event in events if version in ("", event.version)]
        if name is not None and not events:
            self.find(name)
        if not self.sees_all():
            visible = self._visible_instances()
            events = [e for e in events if not e.instance_id or e.instance_id in visible]
        return events[:limit]

    def act(self, action: ModelAction | str, reference: str, reason: str = "") -> ModelRecord:
        """Graduate, reject, archive, enable or disable a version, or make it the champion.

        Args:
            action: one of the entry's `moves`.
            reference: "name@version"; "name" if it has only one version.
            reason: for the audit log.
        Returns:
            The version as it is now.
        Raises:
            Forbidden: the user may not decide about models.
            NotFound: no such version, or the files of the new champion are missing.
            InvalidInput: the state does not allow the action, or the name has several versions.
            ArtefactRefused: the files of the new champion are not as registered, or an uploaded
                version failed its trial prediction.
        """
        self.require(Right.DECIDE_MODELS)
        record = find_one_version(self.lab.store.registry, reference)
        chosen = _action(action)
        if chosen in (ModelAction.GRADUATE, ModelAction.CHAMPION):
            self._dry_run_upload(record)
        if chosen is ModelAction.CHAMPION:
            self.lab.predictor.get(record.reference)
        moved = self.lab.store.registry.move(record.name, record.version, chosen, self.by(reason))
        self.lab.bus.publish(Topic.MODELS)
        return moved

    def take(self, step: Step, reference: str, reason: str = "") -> ModelRecord:
        """Take a step: accept graduates a candidate, activate makes a version the champion.

        Raises:
            NotFound, InvalidInput, ArtefactRefused, Forbidden: as in `act`; nothing changed.
        """
        self.require(Right.DECIDE_MODELS)
        if step is Step.ACCEPT:
            record = self.find(reference)
            if record.state != ModelState.CANDIDATE:
                raise InvalidInput(
                    f"Model {record.reference} is {record.state}.",
                    remedy="Accept is for a candidate.",
                )
        return self.act(_ACTIONS.get(step, step.value), reference, reason)

    def upload(
        self, source: Path | bytes, reason: str = "", answers: CardAnswers | None = None
    ) -> UploadReport:
        """Check an upload in quarantine and register it as a candidate; see `model_upload.upload`.

        Raises:
            InvalidInput, ArtefactRefused: the upload is rejected.
            Forbidden: the user may not upload models.
        """
        self.require(Right.UPLOAD_MODELS)
        report = model_upload.upload(
            source,
            self.by(reason),
            self.lab.store.registry,
            self.lab.predictor,
            self.lab.settings.home.absolute(),
            answers=answers,
        )
        self.lab.bus.publish(Topic.MODELS)
        return report

    def _entry(
        self, record: ModelRecord, files: Available | None, assigned: dict[str, list[str]]
    ) -> ModelEntry:
        return ModelEntry(
            record,
            files.refused if files is not None else _NO_FILES,
            tuple(assigned.get(record.reference, ())),
            allowed_actions(record.state, record.enabled),
            files is not None and self.lab.predictor.is_isolated(files.folder, files.digest),
        )

    def _assigned(self) -> dict[str, list[str]]:
        """Ids of the active instances that the user sees, by the version assigned to them."""
        assigned: dict[str, list[str]] = {}
        for instance in self.lab.store.fleet.instances():
            if instance.model is not None and self.principal.sees(instance.account):
                assigned.setdefault(instance.model, []).append(instance.instance_id)
        return assigned

    def _visible_instances(self) -> frozenset[str]:
        instances = self.lab.store.fleet.instances(active_only=False)
        return frozenset(i.instance_id for i in instances if self.principal.sees(i.account))

    def _dry_run_upload(self, record: ModelRecord) -> None:
        """Repeat the trial prediction of an uploaded version before this process opens it."""
        folder = self.lab.predictor.uploaded_folder(record.reference)
        if folder is not None:
            dry_run(folder, DryRunLimits())


def _action(action: ModelAction | str) -> ModelAction:
    try:
        return ModelAction(action)
    except ValueError:
        raise InvalidInput(
            f"{action!r} is not an action on a model.",
            remedy="Use graduate, champion, reject, archive, enable or disable.",
        ) from None
