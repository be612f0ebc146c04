"""Registers the artefacts on disk, and lists notices about them.

A newer version of a champion is registered as a candidate and not promoted. There is one exception:
a champion whose files are missing is replaced, so that a home still works after an upgrade that
ships the next version instead.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from spotlab.domain.model_lifecycle import ModelAction, ModelState, trusted, unusable_reason
from spotlab.domain.ports import By, Clock, ModelRecord, ModelRegistry
from spotlab.errors import InvalidInput, SpotlabError
from spotlab.inference.card import RULE
from spotlab.inference.predictor import Available, Predictor, version_key

log = logging.getLogger("spotlab.runtime.model_registration")

OURSELVES: Final = "spotlab"
UPLOADS: Final = "models"
"""Folder of uploaded artefacts in the home; the folder of shipped ones may be read-only."""


def register_artefacts(
    predictor: Predictor,
    registry: ModelRegistry,
    clock: Clock,
    uploads_dir: Path | None = None,
    *,
    shared: bool = False,
) -> list[str]:
    """Register every artefact on disk as a candidate; the first of a task becomes its champion.

    A rule never becomes the champion automatically: it is there to be beaten.

    A rejected artefact is logged and skipped: one bad file does not affect other models.

    Args:
        predictor: finds the artefacts.
        registry: receives them.
        clock: current time.
        uploads_dir: folder of uploads, which never become the champion automatically; None: there
            is no separate folder.
        shared: other homes use the same registry, and may have files that are missing here. Then
            only a newer version replaces a champion whose files are missing.
    Returns:
        "name@version" of each new version.
    """
    new = []
    artefacts = predictor.available()
    for artefact in artefacts:
        name = f"{artefact.name}@{artefact.version}"
        if artefact.refused:
            log.error("model %s rejected: %s", name, artefact.refused)
            continue
        record = record_of(artefact, clock)
        try:
            if registry.register(record, By(OURSELVES, clock.now(), "Found on disk at start.")):
                new.append(name)
            uploaded = uploads_dir is not None and artefact.folder.is_relative_to(uploads_dir)
            if not uploaded and record.card.get("kind") != RULE:
                _set_first_champion(registry, record, clock)
        except SpotlabError as exc:
            log.error("model %s not registered: %s", name, exc)
    _replace_lost_champions(registry, artefacts, clock, uploads_dir, shared=shared)
    level = logging.WARNING if new else logging.INFO  # a warning only once, not on every command
    for notice in notices(registry.records(), artefacts):
        log.log(level, "%s", notice)
    return new


def record_of(artefact: Available, clock: Clock) -> ModelRecord:
    """The record of an artefact on disk, as a candidate."""
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


def notices(records: Sequence[ModelRecord], artefacts: Sequence[Available]) -> list[str]:
    """Sentences about versions that need a person's attention.

    They are versions newer than a champion that have not been reviewed, champions whose files are
    missing, and versions whose files have changed since they were registered.
    """
    on_disk = {(artefact.name, artefact.version): artefact for artefact in artefacts}
    sentences = []
    for champion in records:
        if champion.state != ModelState.CHAMPION:
            continue
        if (champion.name, champion.version) not in on_disk:
            sentences.append(
                f"The files of the {champion.task} champion {champion.reference} are missing."
            )
        waiting = [
            record.version
            for record in records
            if record.name == champion.name
            and record.task == champion.task
            and record.state in (ModelState.CANDIDATE, ModelState.GRADUATED)
            and version_key(record.version) > version_key(champion.version)
        ]
        if waiting:
            sentences.append(
                f"{champion.name}@{waiting[0]} is newer than the {champion.task} champion "
                f"{champion.reference} and has not been promoted."
            )
    for record in records:
        artefact = on_disk.get((record.name, record.version))
        if artefact is not None and not artefact.refused and artefact.digest != record.digest:
            sentences.append(
                f"The files of {record.reference} have changed since it was registered."
            )
    return sentences


def _set_first_champion(registry: ModelRegistry, record: ModelRecord, clock: Clock) -> None:
    if registry.champion(record.task) is not None:
        return
    reason = f"The first model of the task {record.task}."
    _make_champion(registry, record.name, record.version, By(OURSELVES, clock.now(), reason))


def _replace_lost_champions(
    registry: ModelRegistry,
    artefacts: Sequence[Available],
    clock: Clock,
    uploads_dir: Path | None,
    *,
    shared: bool,
) -> None:
    """Replace each champion whose files are missing by the newest version of the same name.

    An uploaded version is used only if a person has graduated it: an upload must not choose the
    champion. The former champion is disabled, unless another home may still have its files.
    """
    uploaded = {
        (a.name, a.version)
        for a in artefacts
        if uploads_dir is not None and a.folder.is_relative_to(uploads_dir)
    }
    on_disk = {(artefact.name, artefact.version) for artefact in artefacts}
    digests = {(a.name, a.version): a.digest for a in artefacts if not a.refused}
    records = registry.records()
    for champion in records:
        missing = (champion.name, champion.version) not in on_disk
        if champion.state != ModelState.CHAMPION or not missing:
            continue
        successors = [
            record
            for record in records
            if (record.name, record.task) == (champion.name, champion.task)
            and digests.get((record.name, record.version)) == record.digest
            and not unusable_reason(record.state, record.enabled)
            and (
                (record.name, record.version) not in uploaded
                or trusted(record.state, record.enabled)
            )
            and (not shared or version_key(record.version) > version_key(champion.version))
        ]
        if successors:
            successor = successors[0]
            reason = f"The files of {champion.reference} are no longer on disk."
            log.warning("%s %s becomes the champion", reason, successor.reference)
            by = By(OURSELVES, clock.now(), reason)
            _make_champion(registry, successor.name, successor.version, by)
            if not shared:  # otherwise it would fail as a challenger in every evaluation
                _move(registry, champion.name, champion.version, ModelAction.DISABLE, by)


def _make_champion(registry: ModelRegistry, name: str, version: str, by: By) -> None:
    """Graduate a version if necessary and make it the champion, if no other process has done so."""
    for action in (ModelAction.GRADUATE, ModelAction.CHAMPION):
        _move(registry, name, version, action, by)


def _move(registry: ModelRegistry, name: str, version: str, action: ModelAction, by: By) -> None:
    try:
        registry.move(name, version, action, by)
    except InvalidInput as exc:
        log.info("%s not done: %s", action, exc)
