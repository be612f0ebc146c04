"""Registered model versions by name, and the metrics of their cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from spotlab.domain.model_lifecycle import ModelState
from spotlab.domain.ports import ModelRecord, ModelRegistry
from spotlab.errors import InvalidInput, NotFound

MAIN_HORIZON: Final = "1 h"
FIGURES: Final = ("base_rate", "auc", "pr_auc", "brier", "brier_skill", "log_loss", "ece")


def find_model(registry: ModelRegistry, reference: str) -> ModelRecord:
    """A version by "name@version", the newest by "name", or the champion by the name of its task.

    Raises:
        NotFound: no match; the remedy lists the registered versions.
    """
    records = registry.records()
    for record in records:
        if reference in (record.reference, record.name):
            return record
    for record in records:
        if reference == record.task and record.state == ModelState.CHAMPION:
            return record
    available = ", ".join(record.reference for record in records) or "none"
    raise NotFound(f"No model {reference!r} is registered.", remedy=f"Available: {available}.")


def find_one_version(registry: ModelRegistry, reference: str) -> ModelRecord:
    """The version to change: like `find_model`, but a name must have only one version.

    Raises:
        NotFound: as in `find_model`.
        InvalidInput: the name has several versions.
    """
    record = find_model(registry, reference)
    versions = [each.reference for each in registry.records() if each.name == reference]
    if len(versions) > 1:
        raise InvalidInput(
            f"{reference!r} has several versions.", remedy=f"Name one: {', '.join(versions)}."
        )
    return record


def figures(card: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """A card's metrics with their 95 % intervals: {name: {value, low, high}}.

    If the card has several horizons, the metrics are those for one hour.
    """
    metrics = _mapping(card.get("metrics"))
    of_horizon = _mapping(metrics.get(MAIN_HORIZON))
    values = _mapping(metrics.get("model")) or _mapping(of_horizon.get("metrics")) or metrics
    intervals = _mapping(metrics.get("interval_95"))
    shown: dict[str, dict[str, float | None]] = {}
    for name in FIGURES:
        value, interval = values.get(name), intervals.get(name)
        low, high = interval if isinstance(interval, list) and len(interval) == 2 else (None, None)
        if (estimate := _mapping(value)) and "value" in estimate:
            value, low, high = estimate["value"], estimate.get("low"), estimate.get("high")
        if isinstance(value, int | float):
            shown[name] = {"value": value, "low": low, "high": high}
    return shown


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
