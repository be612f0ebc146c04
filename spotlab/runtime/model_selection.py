"""Which model decides: the champion, or an instance's own while it may be used."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, TypeVar

from spotlab.domain.model_lifecycle import unusable
from spotlab.domain.ports import ModelRegistry, RiskModel
from spotlab.errors import (
    Cancelled,
    DatabaseDown,
    InvalidInput,
    ModelFailed,
    NoMarketData,
    NotFound,
    SpotlabError,
)
from spotlab.inference.predictor import Predictor

log = logging.getLogger("spotlab.runtime.model_selection")

T = TypeVar("T")

RISK_TASK: Final = "advisor"
"""The task whose models give the risk that decisions are made with."""


def champion_model(registry: ModelRegistry, predictor: Predictor, task: str) -> RiskModel:
    """The champion of a task, opened.

    Raises:
        InvalidInput: no champion.
        NotFound, ArtefactRefused: its files are not as they should be.
    """
    champion = registry.champion(task)
    if champion is None:
        raise InvalidInput(
            "No champion model is registered.",
            remedy=f"Train or upload one for the task {task}, and make it the champion.",
        )
    return predictor.advisor(champion.reference)


def model_in_force(
    registry: ModelRegistry, predictor: Predictor, assigned: str | None
) -> tuple[RiskModel, str]:
    """The model that evaluates an instance.

    Args:
        registry, predictor: what there is.
        assigned: the instance's own ("name" or "name@version"); None: the champion.
    Returns:
        The model, and a sentence when it is not the assigned one; "" otherwise.
    Raises:
        InvalidInput, NotFound, ArtefactRefused: there is no champion to fall back to.
    """
    if assigned is None:
        return champion_model(registry, predictor, RISK_TASK), ""
    why = "is not registered"
    for record in registry.records():
        if assigned not in (record.reference, record.name):
            continue
        why = unusable(record.state, record.enabled)
        if why:
            continue
        try:
            return predictor.advisor(record.reference), ""
        except (NotFound, InvalidInput, ModelFailed) as exc:
            log.error("assigned model %s: %s", record.reference, exc)
            why = _what(exc)
    return _champion_instead(registry, predictor, assigned, why)


def answer_in_force(
    registry: ModelRegistry,
    predictor: Predictor,
    assigned: str | None,
    ask: Callable[[RiskModel], T],
) -> tuple[T, str]:
    """What the model in force answers; an assigned one that fails at it is not in force.

    Args:
        registry, predictor, assigned: as for `model_in_force`.
        ask: called with the model, and with the champion after another has failed.
    Returns:
        The answer, and a sentence when it is not the assigned model's; "" otherwise.
    Raises:
        What `model_in_force` raises, and whatever the champion fails with.
    """
    model, instead = model_in_force(registry, predictor, assigned)
    if assigned is None or instead:
        return ask(model), instead
    try:
        return ask(model), ""
    except (Cancelled, DatabaseDown, NoMarketData):  # no model's fault
        raise
    except Exception as exc:
        unforeseen = not isinstance(exc, SpotlabError)
        log.error("assigned model %s: %s", assigned, exc, exc_info=unforeseen)
        champion, instead = _champion_instead(registry, predictor, assigned, _what(exc))
    return ask(champion), instead


def _what(failure: Exception) -> str:
    """What a model did, completing "The model …"."""
    if isinstance(failure, ModelFailed):
        return failure.what
    message = failure.message if isinstance(failure, SpotlabError) else type(failure).__name__
    return f"cannot be used ({message.rstrip('.')})"


def _champion_instead(
    registry: ModelRegistry, predictor: Predictor, assigned: str, why: str
) -> tuple[RiskModel, str]:
    champion = champion_model(registry, predictor, RISK_TASK)
    return champion, (
        f"The assigned model {assigned} {why}: the champion {champion.name}@{champion.version} "
        "is used instead."
    )
