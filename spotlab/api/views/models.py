"""Model versions, what is done with them, and how they did."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from spotlab.api.views.base import Number, View, field


class ModelView(View):
    """A version of a model."""

    reference: str = field("name@version.", "advisor-lgbm@1.2.0")
    name: str = field("Its name.", "advisor-lgbm")
    version: str = field("Its version.", "1.2.0")
    task: str = field("What it predicts.", "advisor")
    state: str = field("candidate, graduated, champion, rejected or archived.", "champion")
    enabled: bool = field("Evaluations may use it.", True)
    digest: str = field("SHA-256 over its checksums.", "9f2c")
    registered_at: datetime = field("When it came.", "2026-11-01T09:30:00Z")
    refused: str = field("Why its files cannot be used; empty where they can.", "")
    instances: list[str] = field("Instances it is assigned to, as far as you see them.", [])
    actions: list[str] = field("What may be done with it now.", ["reject", "archive"])


class FigureView(View):
    """A metric with its 95 % interval."""

    value: Number = field("The number.", 0.783)
    low: Number = field("Lower end.", 0.771)
    high: Number = field("Upper end.", 0.795)


class ModelCardView(ModelView):
    """A version of a model with its card."""

    figures: dict[str, FigureView] = Field(description="Metrics of the card.")
    card: dict[str, Any] = field("card.json, whole.", {"name": "advisor-lgbm"})


class ModelEventView(View):
    """A change of a model."""

    event_id: int = field("Its place in the trail.", 7)
    at: datetime = field("When.", "2026-11-01T09:30:00Z")
    actor: str = field("Who.", "ana")
    name: str = field("Which model; empty where a refused upload did not say.", "advisor-lgbm")
    version: str = field("Which version.", "1.2.0")
    task: str = field("Its task.", "advisor")
    action: str = field("What was done.", "graduate")
    before: str = field("As it was.", "candidate")
    after: str = field("As it is.", "graduated")
    reason: str = field("Why.", "better Brier")
    instance_id: str = field("Of an assignment; else empty.", "")


class UploadView(View):
    """What an upload's first prediction gave."""

    model: ModelView
    seconds: float = field("From the first byte to the registry.", 1.4, "s")
