"""Model versions, their events and uploads."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from spotlab.api.views.base import Number, View, field


class ModelView(View):
    """A model version."""

    reference: str = field("Model, as name@version.", "advisor-lgbm@1.2.0")
    name: str = field("Name of the model.", "advisor-lgbm")
    version: str = field("Version.", "1.2.0")
    task: str = field("Task: advisor or capacity.", "advisor")
    state: str = field("State: candidate, graduated, champion, rejected or archived.", "champion")
    enabled: bool = field("Whether evaluations may use the version.", True)
    digest: str = field("Digest: SHA-256 over the checksums of the artefact.", "9f2c")
    registered_at: datetime = field("When the version was registered.", "2026-11-01T09:30:00Z")
    refused: str = field("Why the files of the artefact cannot be used; empty if they can.", "")
    instances: list[str] = field("Instances it is assigned to, of those that you may see.", [])
    actions: list[str] = field("Actions that are possible now.", ["reject", "archive"])


class FigureView(View):
    """A metric with its 95 % interval."""

    value: Number = field("The estimate.", 0.783)
    low: Number = field("Lower bound.", 0.771)
    high: Number = field("Upper bound.", 0.795)


class ModelCardView(ModelView):
    """A model version with its card."""

    figures: dict[str, FigureView] = Field(description="Metrics from the model card.")
    card: dict[str, Any] = field("Content of card.json.", {"name": "advisor-lgbm"})


class ModelEventView(View):
    """A change of a model."""

    event_id: int = field("Increasing number of the event.", 7)
    at: datetime = field("Time of the event.", "2026-11-01T09:30:00Z")
    actor: str = field("User.", "ana")
    name: str = field("Name of the model; empty if a rejected upload had none.", "advisor-lgbm")
    version: str = field("Version of the model.", "1.2.0")
    task: str = field("Task of the model.", "advisor")
    action: str = field("Action.", "graduate")
    before: str = field("State before.", "candidate")
    after: str = field("State after.", "graduated")
    reason: str = field("Reason given by the user.", "better Brier")
    instance_id: str = field("Instance, for assignments; otherwise empty.", "")


class ExpertStandingView(View):
    """Weight and running loss of a forecaster."""

    name: str = field(
        "model: the champion; a simple rule; all combined: a regression of them; online: the "
        "forecast that is used.",
        "streak_only",
    )
    weight: Number = field("Share in a new forecast, recalibrations included.", 0.31)
    loss: Number = field("Mean squared error so far.", 0.112)


class StandingView(View):
    """The forecasters for all pools or one, at one horizon or all."""

    pool: str = field("Key of the pool; empty: all pools.", "")
    horizon_h: Number = field("Horizon; null: all of them.", 6.0, "h")
    rows: int = field("Number of judged forecasts.", 2161)
    first_at: datetime | None = field("When the first was made.", "2026-11-01T09:30:00Z")
    last_at: datetime | None = field("When the last was made.", "2026-11-28T09:30:00Z")
    base_rate: Number = field("Share of them whose pool lost capacity.", 0.23)
    experts: list[ExpertStandingView] = Field(description="The forecasters.")


class LagView(View):
    """The champion compared with the best simple rule."""

    rule: str = field("The rule with the lowest running loss.", "pool_rate")
    champion_loss: Number = field("Mean squared error of the champion.", 0.131)
    rule_loss: Number = field("Mean squared error of the rule, on the same forecasts.", 0.112)
    least: Number = field("Lower end of the interval of the difference; above 0: behind.", 0.004)
    blocks: int = field("Blocks of two days that the interval rests on.", 13)
    behind: bool | None = field("Whether the champion is behind; null: too few blocks.", False)
    since: datetime | None = field("Since when it is behind.", "2026-11-20T00:00:00Z")


class OnlineWeightsView(View):
    """What was learnt about live capacity forecasts; null and empty: nothing yet."""

    market: str | None = field("The active market.", "account")
    at: datetime | None = field("When it was learnt.", "2026-11-28T09:30:00Z")
    model: str | None = field("The champion.", "capacity-lgbm@1.0.1")
    standings: list[StandingView] = Field(description="All pools first, then each.")
    lag: LagView | None = Field(description="The champion compared with the best simple rule.")


class UploadView(View):
    """Result of an upload."""

    model: ModelView
    seconds: float = field("Time from the first byte to the registration.", 1.4, "s")
