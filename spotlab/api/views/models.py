"""Model versions, what is done with them, and how they did."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from spotlab.api.views.base import Number, View, about


class ModelView(View):
    """A version of a model."""

    reference: str = about("name@version.", "advisor-lgbm@1.2.0")
    name: str = about("Its name.", "advisor-lgbm")
    version: str = about("Its version.", "1.2.0")
    task: str = about("What it predicts.", "advisor")
    state: str = about("candidate, graduated, champion, rejected or archived.", "champion")
    enabled: bool = about("Evaluations may use it.", True)
    digest: str = about("SHA-256 over its checksums.", "9f2c")
    registered_at: datetime = about("When it came.", "2026-11-01T09:30:00Z")
    refused: str = about("Why its files cannot be used; empty where they can.", "")
    instances: list[str] = about("Instances it is assigned to, as far as you see them.", [])
    actions: list[str] = about("What may be done with it now.", ["reject", "archive"])


class FigureView(View):
    """A metric with its 95 % interval."""

    value: Number = about("The number.", 0.783)
    low: Number = about("Lower end.", 0.771)
    high: Number = about("Upper end.", 0.795)


class ModelCardView(ModelView):
    """A version of a model with its card."""

    figures: dict[str, FigureView] = Field(description="Metrics of the card.")
    card: dict[str, Any] = about("card.json, whole.", {"name": "advisor-lgbm"})


class ModelEventView(View):
    """A change of a model."""

    event_id: int = about("Its place in the trail.", 7)
    at: datetime = about("When.", "2026-11-01T09:30:00Z")
    actor: str = about("Who.", "ana")
    name: str = about("Which model; empty where a refused upload did not say.", "advisor-lgbm")
    version: str = about("Which version.", "1.2.0")
    task: str = about("Its task.", "advisor")
    action: str = about("What was done.", "graduate")
    before: str = about("As it was.", "candidate")
    after: str = about("As it is.", "graduated")
    reason: str = about("Why.", "better Brier")
    instance_id: str = about("Of an assignment; else empty.", "")


class DryRunView(View):
    """What an upload's first prediction gave."""

    model: ModelView
    seconds: float = about("From the first byte to the registry.", 1.4, "s")
