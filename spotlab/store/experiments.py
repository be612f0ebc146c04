"""Conversion of experiments to rows and back."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Row
from sqlmodel import col

from spotlab.domain.decision import (
    Candidate,
    Decision,
    Experiment,
    Instance,
    Lifecycle,
    Requirements,
    StageTrace,
    Verdict,
    alternative_saving,
    saving,
)
from spotlab.domain.market import MarketName
from spotlab.domain.policy import PolicyParams
from spotlab.domain.ports import ExperimentSummary
from spotlab.domain.workload import NO_WORKLOAD, AppliedWorkload, to_parameters
from spotlab.store import candidate_codec
from spotlab.store.tables.core import ExperimentRow
from spotlab.store.types import require_aware
from spotlab.telemetry import logs

_COLUMN_OF: Final = {"experiment_id": "id"}
_DERIVED: Final = frozenset({"alternative_saving_usd_per_hour", "lifecycle"})
SUMMARY: Final[tuple[ColumnElement[Any], ...]] = (
    *(
        col(getattr(ExperimentRow, _COLUMN_OF.get(field.name, field.name))).label(field.name)
        for field in fields(ExperimentSummary)
        if field.name not in _DERIVED
    ),
    col(ExperimentRow.instance)["lifecycle"].as_string().label("lifecycle"),
)
"""The columns of a summary, named like its fields; the candidates are not among them."""


def to_row(experiment: Experiment) -> ExperimentRow:
    """The row of an experiment that is not recorded yet.

    Raises:
        InvalidInput: a time has no time zone.
    """
    instance, verdict = experiment.instance, experiment.verdict
    for moment in (instance.launched_at, instance.last_evaluated_at):
        if moment is not None:
            require_aware(moment)
    current, chosen = (verdict.current, verdict.chosen) if verdict else (None, None)
    return ExperimentRow(
        created_at=experiment.created_at,
        instance_id=instance.instance_id,
        account=instance.account,
        market=experiment.market.value,
        model=experiment.model,
        decision=verdict.decision.value if verdict else None,
        reason=verdict.reason if verdict else "",
        current_pool=instance.pool.key,
        chosen_pool=chosen.pool.key if chosen else None,
        risk=_known(current.risk if current else None),
        chosen_risk=_known(chosen.risk if chosen else None),
        horizon_h=experiment.workload.workload.horizon_h,
        spot_price_usd_per_hour=_known(current.spot_price_usd_per_hour if current else None),
        chosen_price_usd_per_hour=_known(chosen.spot_price_usd_per_hour if chosen else None),
        saving_usd_per_hour=verdict.saving_usd_per_hour if verdict else None,
        candidates_evaluated=len(experiment.candidates),
        duration_ms=experiment.duration_ms,
        shadow=experiment.shadow,
        is_degraded=bool(experiment.degraded),
        degraded=list(experiment.degraded),
        error=experiment.error,
        instance=msgspec.to_builtins(instance),
        policy=msgspec.to_builtins(experiment.policy),
        requirements=msgspec.to_builtins(experiment.requirements),
        dropped=dict(experiment.dropped),
        feature_names=list(experiment.feature_names),
        stages=[msgspec.to_builtins(stage) for stage in experiment.stages],
        workload={
            **msgspec.to_builtins(experiment.workload),
            "workload": to_parameters(experiment.workload.workload),
        },
        # Refers to log lines and is not part of the decision: a replay has its own.
        correlation_id=logs.correlation_id(),
        candidates=candidate_codec.pack(experiment.candidates, verdict, experiment.feature_names),
    )


def to_experiment(row: ExperimentRow) -> Experiment:
    """The experiment as it was recorded."""
    assert row.id is not None, "a stored row has an id"
    scored = candidate_codec.unpack(row.candidates)
    return Experiment(
        experiment_id=row.id,
        created_at=row.created_at,
        instance=msgspec.convert(row.instance, Instance),
        market=MarketName(row.market),
        model=row.model,
        policy=msgspec.convert(row.policy, PolicyParams),
        requirements=msgspec.convert(row.requirements, Requirements),
        verdict=_verdict(row, scored.current, scored.chosen),
        candidates=scored.candidates,
        dropped=row.dropped,
        feature_names=tuple(row.feature_names),
        stages=msgspec.convert(row.stages, tuple[StageTrace, ...]),
        degraded=tuple(row.degraded),
        shadow=row.shadow,
        error=row.error,
        duration_ms=row.duration_ms,
        workload=_workload(row),
    )


def _workload(row: ExperimentRow) -> AppliedWorkload:
    """The workload of a decision; decisions before workloads existed had it in the policy."""
    if row.workload is not None:
        return msgspec.convert(row.workload, AppliedWorkload)
    default, former = NO_WORKLOAD.workload, row.policy
    workload = replace(
        default,
        horizon_h=former.get("horizon_h", default.horizon_h),
        work_lost_h=former.get("work_lost_h", default.work_lost_h),
        recovery_h=former.get("recovery_h", default.recovery_h),
    )
    return replace(NO_WORKLOAD, workload=workload)


def to_summary(row: Row[Any]) -> ExperimentSummary:
    """A summary, from a row of the SUMMARY columns."""
    values = row._asdict()
    decision = None if values["decision"] is None else Decision(values["decision"])
    compared, lifecycle = values["saving_usd_per_hour"], Lifecycle(values["lifecycle"])
    on_demand = lifecycle is Lifecycle.ON_DEMAND  # then its pool is one that it does not use
    return ExperimentSummary(
        **{
            **values,
            "market": MarketName(values["market"]),
            "decision": decision,
            "degraded": tuple(values["degraded"]),
            "saving_usd_per_hour": saving(decision, compared),
            "alternative_saving_usd_per_hour": alternative_saving(decision, compared),
            "lifecycle": lifecycle,
            **({"risk": None, "spot_price_usd_per_hour": None} if on_demand else {}),
        }
    )


def _verdict(
    row: ExperimentRow, current: Candidate | None, chosen: Candidate | None
) -> Verdict | None:
    if row.decision is None:
        return None
    return Verdict(Decision(row.decision), row.reason, current, chosen, row.saving_usd_per_hour)


def _known(value: float | None) -> float | None:
    """None for NaN: PostgreSQL would sort NaN above all numbers."""
    return None if value is None or math.isnan(value) else value
