"""Accounts, models, explanations, health and who asks."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from pydantic import Field

from spotlab.api.views.base import Number, PlainName, PoolView, Reasoned, View, about
from spotlab.domain.access import Right, Role
from spotlab.inference.explain import Explanation
from spotlab.telemetry.text import LABEL


class MeView(View):
    """Who asks, and what they may do."""

    name: str = about("The user.", "ana")
    role: Role = about("What they are trusted with.", "operator")
    accounts: list[str] | None = about("Accounts they see; null: all.", None)
    rights: list[Right] = about("What they may do.", ["read", "evaluate"])
    via: str = about("How they came.", "token ci")


class AccountView(View):
    """An AWS account that SpotLab looks after."""

    name: str = about("A person's name for it.", "acme")
    aws_account_id: str = about("AWS's number.", "123456789012")
    role_arn: str = about("Role that is assumed; empty: none.", "")
    external_id_set: bool = about("An external id is sent when the role is assumed.", False)
    regions: list[str] = about("Regions looked after.", ["us-east-1"])
    emulated: bool = about("Lives in the emulated AWS.", True)
    active: bool = about("Looked after.", True)


class AccountAsked(Reasoned):
    """An account to look after."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,39}$",
        description="Lower case letters, digits and dashes.",
        examples=["staging"],
    )
    aws_account_id: str = Field(
        pattern=r"^[0-9]{12}$", description="12 digits.", examples=["210987654321"]
    )
    role_arn: str = Field(
        default="",
        max_length=200,
        pattern=r"^(arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+)?$",
        description="Role to assume; empty: the server's own credentials.",
        examples=["arn:aws:iam::210987654321:role/spotlab"],
    )
    external_id: str = Field(
        default="",
        max_length=200,
        pattern=LABEL,
        description="Sent when the role is assumed; never told again.",
        examples=["an-external-id"],
    )
    regions: list[PlainName] = Field(
        min_length=1, max_length=40, description="AWS regions.", examples=[["us-east-1"]]
    )


class AccountChange(Reasoned):
    """What is changed of an account; what is not given stays."""

    aws_account_id: str | None = Field(
        default=None, pattern=r"^[0-9]{12}$", description="12 digits."
    )
    role_arn: str | None = Field(
        default=None,
        max_length=200,
        pattern=LABEL,
        description="Role to assume; empty: the server's own credentials.",
    )
    external_id: str | None = Field(
        default=None,
        max_length=200,
        pattern=LABEL,
        description="Sent when the role is assumed; empty: none.",
    )
    regions: list[PlainName] | None = Field(
        default=None, min_length=1, max_length=40, description="AWS regions."
    )
    active: bool | None = Field(default=None, description="Look after it.", examples=[True])


class CheckView(View):
    """One thing that was tried."""

    name: str = about("What was tried.", "assume the role")
    ok: bool = about("It went well.", True)
    reason: str = about("In words.", "Answers as 123456789012.")


class ValidationView(View):
    """Whether an account can be looked after."""

    account: str = about("Its name.", "acme")
    ok: bool = about("Everything that was tried went well.", True)
    checks: list[CheckView] = Field(description="In the order they were tried.")
    checked_at: datetime = about("When.", "2026-11-03T09:30:00Z")


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


class ContributionView(View):
    """What one feature does to a pool's score."""

    feature: str = about("Its name.", "advisor_bucket")
    value: Number = about("Its value; null where unknown.", 1.0)
    unit: str = about("Unit of the value.", "bucket")
    log_odds: float = about("Above 0 raises the risk.", 0.41, "log-odds")


class ExplanationView(View):
    """A pool's risk, taken apart. Contributions add up in log-odds, and only there."""

    pool: PoolView
    model: str = about("name@version.", "advisor-lgbm@1.2.0")
    unit: str = about("Unit of base, contributions and raw score.", "log-odds")
    base: float = about("Before any feature is counted.", -2.3, "log-odds")
    contributions: list[ContributionView] = Field(description="Largest effect first.")
    raw_score: float = about("What they add up to.", -1.9, "log-odds")
    additivity_error: float = about(
        "How far base and contributions miss the raw score.", 0.0, "log-odds"
    )
    monthly_rate: float = about("P(interrupted within a month).", 0.08, "share")
    risk: float = about("P(interrupted within horizon_h).", 0.0027, "share")
    horizon_h: float = about("Horizon of the risk.", 24.0, "h")
    of: str = about("now, or experiment N.", "now")


class HealthView(View):
    """Whether SpotLab works, in a word."""

    status: str = about("healthy, degraded, down or unknown: the worst of its parts.", "healthy")
    version: str = about("SpotLab's version.", "0.1.0")
    checked_at: datetime = about("When its parts were looked at.", "2026-11-03T09:30:00Z")


class ComponentView(View):
    """What is known of a part."""

    name: str = about("Which part.", "database")
    state: str = about("healthy, degraded, down or unknown.", "healthy")
    reason: str = about("In words.", "SQLite")
    last_success_at: datetime | None = about("Null: never.", "2026-11-03T09:30:00Z")
    latency_ms: Number = about("Of the last probe.", 0.4, "ms")
    checked_at: datetime = about("When it was looked at.", "2026-11-03T09:30:00Z")


def explained(found: Explanation, of: str) -> ExplanationView:
    """An explanation as it is answered, with how far its parts miss the whole."""
    total = found.base + math.fsum(part.log_odds for part in found.contributions)
    return ExplanationView(
        pool=PoolView.model_validate(found.pool),
        model=found.model,
        unit="log-odds",
        base=found.base,
        contributions=[ContributionView.model_validate(part) for part in found.contributions],
        raw_score=found.raw_score,
        additivity_error=abs(total - found.raw_score),
        monthly_rate=found.monthly_rate,
        risk=found.risk.value,
        horizon_h=found.risk.horizon_h,
        of=of,
    )
