"""Brings the artefacts on disk into the registry. Runtime floor."""

from __future__ import annotations

import logging

from spotlab.domain.ports import Clock, ModelRecord, ModelRegistry
from spotlab.errors import SpotlabError
from spotlab.inference.predictor import Predictor

log = logging.getLogger("spotlab.runtime.models")


def register_artefacts(predictor: Predictor, registry: ModelRegistry, clock: Clock) -> list[str]:
    """Register every artefact on disk; the first of a task becomes its champion.

    An artefact that is refused is left out and logged: one bad file stops no other model.

    Returns:
        "name@version" of those that are new.
    """
    new = []
    for found in predictor.available():
        name = f"{found.name}@{found.version}"
        if found.refused:
            log.error("model %s refused: %s", name, found.refused)
            continue
        try:
            record = ModelRecord(
                name=found.name,
                version=found.version,
                task=found.task,
                digest=found.digest,
                path=f"{found.name}/{found.version}",
                state="candidate",
                registered_at=clock.now(),
                card=found.card,
            )
            if registry.register(record):
                new.append(name)
        except SpotlabError as exc:
            log.error("model %s not registered: %s", name, exc)
            continue
        if registry.champion(found.task) is None:
            registry.set_champion(found.name, found.version)
    return new
