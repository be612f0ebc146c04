"""Brings the artefacts on disk into the registry, and says what of it wants a person's eye.

Nothing is promoted silently: a newer version of a champion waits as a candidate. The
one exception is a champion whose files are gone: a home must go on after an upgrade that ships the
next version instead.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from spotlab.domain.model_lifecycle import ModelAction, ModelState, trusted, unusable
from spotlab.domain.ports import By, Clock, ModelRecord, ModelRegistry
from spotlab.errors import InvalidInput, SpotlabError
from spotlab.inference.predictor import Available, Predictor, version_key

log = logging.getLogger("spotlab.runtime.model_registration")

OURSELVES: Final = "spotlab"
UPLOADS: Final = "models"
"""Folder of uploaded artefacts, in the home: the shipped ones may be read-only."""


def register_artefacts(
    predictor: Predictor,
    registry: ModelRegistry,
    clock: Clock,
    uploads_dir: Path | None = None,
    *,
    shared: bool = False,
) -> list[str]:
    """Register every artefact on disk as a candidate; the first of a task becomes its champion.

    An artefact that is refused is left out and logged: one bad file stops no other model.

    Args:
        predictor: knows the artefacts.
        registry: where they are registered.
        clock: the time.
        uploads_dir: folder of uploads, none of which becomes the champion by itself; None: there
            is none of its own.
        shared: other homes use the registry too: files that are missing here may be there, so
            only a newer version takes a lost champion's place.
    Returns:
        "name@version" of those that are new.
    """
    new = []
    found = predictor.available()
    for artefact in found:
        name = f"{artefact.name}@{artefact.version}"
        if artefact.refused:
            log.error("model %s refused: %s", name, artefact.refused)
            continue
        record = record_of(artefact, clock)
        try:
            if registry.register(record, By(OURSELVES, clock.now(), "Found on disk at start.")):
                new.append(name)
            if uploads_dir is None or not artefact.folder.is_relative_to(uploads_dir):
                _fill_empty_throne(registry, record, clock)
        except SpotlabError as exc:
            log.error("model %s not registered: %s", name, exc)
    _replace_lost_champions(registry, found, clock, uploads_dir, shared=shared)
    level = logging.WARNING if new else logging.INFO  # not on every command until it is decided
    for notice in notices(registry.records(), found):
        log.log(level, "%s", notice)
    return new


def record_of(artefact: Available, clock: Clock) -> ModelRecord:
    """A candidate, from what is on disk."""
    return ModelRecord(
        name=artefact.name,
        version=artefact.version,
        task=artefact.task,
        digest=artefact.digest,
        path=f"{artefact.name}/{artefact.version}",
        state=ModelState.CANDIDATE.value,
        registered_at=clock.now(),
        card=artefact.card,
    )


def notices(records: Sequence[ModelRecord], found: Sequence[Available]) -> list[str]:
    """What wants a person's eye, a sentence each: newer versions than a champion that wait,
    champions whose files are gone, and files that were changed since they were registered."""
    on_disk = {(artefact.name, artefact.version): artefact for artefact in found}
    said = []
    for champion in records:
        if champion.state != ModelState.CHAMPION:
            continue
        if (champion.name, champion.version) not in on_disk:
            said.append(f"The files of the {champion.task} champion {champion.reference} are gone.")
        waiting = [
            record.version
            for record in records
            if record.name == champion.name
            and record.task == champion.task
            and record.state in (ModelState.CANDIDATE, ModelState.GRADUATED)
            and version_key(record.version) > version_key(champion.version)
        ]
        if waiting:
            said.append(
                f"{champion.name}@{waiting[0]} is newer than the {champion.task} champion "
                f"{champion.reference} and waits for a decision."
            )
    for record in records:
        artefact = on_disk.get((record.name, record.version))
        if artefact is not None and not artefact.refused and artefact.digest != record.digest:
            said.append(f"The files of {record.reference} were changed since it was registered.")
    return said


def _fill_empty_throne(registry: ModelRegistry, record: ModelRecord, clock: Clock) -> None:
    if registry.champion(record.task) is not None:
        return
    reason = f"The first model of the task {record.task}."
    _enthrone(registry, record.name, record.version, By(OURSELVES, clock.now(), reason))


def _replace_lost_champions(
    registry: ModelRegistry,
    found: Sequence[Available],
    clock: Clock,
    uploads_dir: Path | None,
    *,
    shared: bool,
) -> None:
    """Where a champion's files are gone, the newest version of its name takes over.

    Of uploads only one that a person graduated: whoever uploads must not choose the champion. The
    lost one is disabled, where no other home could still have its files.
    """
    sent = {
        (a.name, a.version)
        for a in found
        if uploads_dir is not None and a.folder.is_relative_to(uploads_dir)
    }
    there = {(artefact.name, artefact.version) for artefact in found}
    sound = {(a.name, a.version): a.digest for a in found if not a.refused}
    records = registry.records()
    for champion in records:
        lost = (champion.name, champion.version) not in there
        if champion.state != ModelState.CHAMPION or not lost:
            continue
        successors = [
            record
            for record in records
            if (record.name, record.task) == (champion.name, champion.task)
            and sound.get((record.name, record.version)) == record.digest
            and not unusable(record.state, record.enabled)
            and ((record.name, record.version) not in sent or trusted(record.state, record.enabled))
            and (not shared or version_key(record.version) > version_key(champion.version))
        ]
        if successors:
            heir = successors[0]
            reason = f"The files of {champion.reference} are no longer on disk."
            log.warning("%s %s becomes the champion", reason, heir.reference)
            by = By(OURSELVES, clock.now(), reason)
            _enthrone(registry, heir.name, heir.version, by)
            if not shared:  # as a challenger it would fail in every evaluation
                _move(registry, champion.name, champion.version, ModelAction.DISABLE, by)


def _enthrone(registry: ModelRegistry, name: str, version: str, by: By) -> None:
    """Graduate it if need be and make it the champion; another process may have been quicker."""
    for action in (ModelAction.GRADUATE, ModelAction.CHAMPION):
        _move(registry, name, version, action, by)


def _move(registry: ModelRegistry, name: str, version: str, action: ModelAction, by: By) -> None:
    try:
        registry.move(name, version, action, by)
    except InvalidInput as exc:
        log.info("%s not done: %s", action, exc)
