"""Selection of the model that decides: the assigned one if it can be used, else the champion."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, TypeVar

from spotlab.domain.model_lifecycle import unusable_reason
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
"""The task whose models predict the risk that decisions use."""


def champion_model(registry: ModelRegistry, predictor: Predictor, task: str) -> RiskModel:
    """The champion of a task, opened.

    Raises:
        InvalidInput: the task has no champion.
        NotFound, ArtefactRefused: its files are missing, or not as registered.
    """
    champion = registry.champion(task)
    if champion is None:
        raise InvalidInput(
            "No champion model is registered.",
            remedy=f"Train or upload one for the task {task}, and make it the champion.",
        )
    return predictor.advisor(champion.reference)


def select_model(
    registry: ModelRegistry, predictor: Predictor, assigned: str | None
) -> tuple[RiskModel, str]:
    """The model that evaluates an instance.

    Args:
        registry, predictor: the registered versions and their files.
        assigned: the model assigned to the instance ("name" or "name@version"); None: the champion.
    Returns:
        The model, and a sentence if it is not the assigned one, else "".
    Raises:
        InvalidInput, NotFound, ArtefactRefused: the champion cannot be used either.
    """
    if assigned is None:
        return champion_model(registry, predictor, RISK_TASK), ""
    problem = "is not registered"
    for record in registry.records():
        if assigned not in (record.reference, record.name):
            continue
        problem = unusable_reason(record.state, record.enabled)
        if problem:
            continue
        try:
            return predictor.advisor(record.reference), ""
        except (NotFound, InvalidInput, ModelFailed) as exc:
            log.error("assigned model %s: %s", record.reference, exc)
            problem = _problem(exc)
    return _champion_instead(registry, predictor, assigned, problem)


def with_selected_model(
    registry: ModelRegistry,
    predictor: Predictor,
    assigned: str | None,
    ask: Callable[[RiskModel], T],
) -> tuple[T, str]:
    """The result of `ask` with the assigned model, or with the champion if that fails.

    Args:
        registry, predictor, assigned: as for `select_model`.
        ask: called with the model, and again with the champion if an assigned model fails.
    Returns:
        The result, and a sentence if it is not the assigned model's, else "".
    Raises:
        As `select_model`, and any error of the champion.
    """
    model, instead = select_model(registry, predictor, assigned)
    if assigned is None or instead:
        return ask(model), instead
    try:
        return ask(model), ""
    except (Cancelled, DatabaseDown, NoMarketData):  # not caused by the model
        raise
    except Exception as exc:
        unexpected = not isinstance(exc, SpotlabError)
        log.error("assigned model %s: %s", assigned, exc, exc_info=unexpected)
        champion, instead = _champion_instead(registry, predictor, assigned, _problem(exc))
    return ask(champion), instead


def _problem(failure: Exception) -> str:
    """What went wrong, as the end of a sentence that begins with "The model"."""
    if isinstance(failure, ModelFailed):
        return failure.what
    message = failure.message if isinstance(failure, SpotlabError) else type(failure).__name__
    return f"cannot be used ({message.rstrip('.')})"


def _champion_instead(
    registry: ModelRegistry, predictor: Predictor, assigned: str, problem: str
) -> tuple[RiskModel, str]:
    champion = champion_model(registry, predictor, RISK_TASK)
    return champion, (
        f"The assigned model {assigned} {problem}: the champion {champion.name}@{champion.version} "
        "is used instead."
    )
