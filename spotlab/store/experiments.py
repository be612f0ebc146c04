"""Conversion of experiments to rows and back."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Row
from sqlmodel import col

from spotlab.domain.decision import (
    Decision,
    Experiment,
    Instance,
    Lifecycle,
    RunReference,
    StageTrace,
    Verdict,
    alternative_saving,
    saving,
)
from spotlab.domain.market import MarketName
from spotlab.domain.policy import PolicyParams
from spotlab.domain.ports import ExperimentSummary
from spotlab.domain.requirements import Requirements
from spotlab.domain.workload import NO_WORKLOAD, AppliedWorkload, to_parameters
from spotlab.store import candidate_codec
from spotlab.store.candidate_codec import UnpackedCandidates
from spotlab.store.tables.core import ExperimentRow
from spotlab.store.types import require_aware, to_json
from spotlab.telemetry import logs

_COLUMN_OF: Final = {"experiment_id": "id"}
_COLUMNS_OF_VERDICT: Final = ("decision", "reason", "saving_usd_per_hour")
_DERIVED: Final = frozenset({"features", "sources", "reasons"})
"""Fields of a candidate that follow from its run's market."""
_NOT_YET: Final = {
    "ceiling_hysteresis_fraction": 0.0,
    "max_avoided_interruption_usd": 1e9,
    "signal_exclusion_min": 0.0,
    "rebalance_factor": 4.0,  # which was a constant
    "capacity_factor": 1.0,
    "sibling_factor": 1.0,
    "placement_factor": 1.0,
    "capacity_forecast_share": 0.0,
    "joint_loss_share": 0.0,
    "family_factor": 1.0,
}
"""Policy parameters that older decisions were made without, with the value that has no effect."""
_NOT_DERIVED: Final = UnpackedCandidates((), None, None)
_NO_COLUMN: Final = frozenset({"alternative_saving_usd_per_hour", "lifecycle"})
SUMMARY: Final[tuple[ColumnElement[Any], ...]] = (
    *(
        col(getattr(ExperimentRow, _COLUMN_OF.get(field.name, field.name))).label(field.name)
        for field in fields(ExperimentSummary)
        if field.name not in _NO_COLUMN
    ),
    col(ExperimentRow.instance)["lifecycle"].as_string().label("lifecycle"),
)
"""The columns of a summary, named like its fields; the candidates are not among them."""


def to_values(experiment: Experiment) -> dict[str, Any]:
    """The columns of an experiment that is not recorded yet.

    Raises:
        InvalidInput: a time has no time zone, or a number is infinite or NaN.
    """
    instance, verdict, run = experiment.instance, experiment.verdict, experiment.run
    for moment in (instance.launched_at, instance.last_evaluated_at, experiment.last_switch_at):
        if moment is not None:
            require_aware(moment)
    current, chosen = (verdict.current, verdict.chosen) if verdict else (None, None)
    return {
        "created_at": experiment.created_at,
        "instance_id": instance.instance_id,
        "account": instance.account,
        "market": experiment.market.value,
        "model": experiment.model,
        "decision": verdict.decision.value if verdict else None,
        "reason": verdict.reason if verdict else "",
        "current_pool": instance.pool.key,
        "chosen_pool": chosen.pool.key if chosen else None,
        "risk": _known(current.risk if current else None),
        "chosen_risk": _known(chosen.risk if chosen else None),
        "horizon_h": experiment.workload.workload.horizon_h,
        "spot_price_usd_per_hour": _known(current.spot_price_usd_per_hour if current else None),
        "chosen_price_usd_per_hour": _known(chosen.spot_price_usd_per_hour if chosen else None),
        "saving_usd_per_hour": verdict.saving_usd_per_hour if verdict else None,
        "candidates_evaluated": experiment.candidates_evaluated,
        "duration_ms": experiment.duration_ms,
        "shadow": experiment.shadow,
        "is_degraded": bool(experiment.degraded),
        "degraded": list(experiment.degraded),
        "error": experiment.error,
        "policy_version": experiment.policy_version,
        "instance": {"lifecycle": instance.lifecycle},
        "policy": {},
        "requirements": {},
        "dropped": {},
        "feature_names": [],
        "stages": [],
        # Refers to log lines and is not part of the decision: a replay has its own.
        "correlation_id": logs.correlation_id(),
        "candidates": b""
        if run is not None
        else candidate_codec.pack(experiment.candidates, verdict, experiment.feature_names),
        "market_run_id": run.run_id if run is not None else None,
        "workload": None,
        "document": _document(experiment),
    }


def to_experiment(row: ExperimentRow) -> Experiment:
    """The experiment as it was recorded; its candidates are not derived."""
    assert row.id is not None, "a stored row has an id"
    scored = candidate_codec.unpack(row.candidates) if row.candidates else _NOT_DERIVED
    inputs = _inputs(row)
    return Experiment(
        experiment_id=row.id,
        created_at=row.created_at,
        instance=msgspec.convert(inputs["instance"], Instance),
        market=MarketName(row.market),
        model=row.model,
        policy=msgspec.convert(_NOT_YET | inputs["policy"], PolicyParams),
        requirements=msgspec.convert(inputs["requirements"], Requirements),
        verdict=_verdict(row, inputs.get("verdict"), scored),
        candidates=scored.candidates,
        dropped=inputs["dropped"],
        feature_names=tuple(inputs["feature_names"]),
        stages=msgspec.convert(inputs["stages"], tuple[StageTrace, ...]),
        degraded=tuple(row.degraded),
        shadow=row.shadow,
        error=row.error,
        duration_ms=row.duration_ms,
        workload=_workload(inputs),
        policy_version=row.policy_version,
        unavailable=inputs.get("unavailable", {}),
        performance=inputs.get("performance", ""),
        last_switch_at=msgspec.convert(inputs.get("last_switch_at"), datetime | None),
        run=msgspec.convert(inputs.get("run"), RunReference | None),
    )


def was_recorded_before(row: ExperimentRow) -> bool:
    """Whether a decision is from before market runs: its last switch was not recorded."""
    return row.document is None


def _document(experiment: Experiment) -> bytes:
    """Everything that has no column of its own, as compressed JSON."""
    verdict = experiment.verdict
    values = {
        "instance": experiment.instance,
        "policy": experiment.policy,
        "requirements": experiment.requirements,
        "dropped": dict(experiment.dropped),
        "feature_names": experiment.feature_names if experiment.run is None else (),
        "stages": experiment.stages,
        "unavailable": dict(experiment.unavailable),
        "performance": experiment.performance,
        "last_switch_at": experiment.last_switch_at,
        "run": experiment.run,
    }
    document = msgspec.to_builtins(values)
    document["workload"] = _workload_document(experiment.workload)
    if verdict is not None:
        document["verdict"] = _without_derived(
            {
                field.name: msgspec.to_builtins(getattr(verdict, field.name))
                for field in fields(verdict)
                if field.name not in _COLUMNS_OF_VERDICT
                and not (experiment.run is None and field.name in ("current", "chosen"))
            }
        )
    return zlib.compress(to_json(document).encode(), 9)


@lru_cache(maxsize=64)
def _workload_document(applied: AppliedWorkload) -> Mapping[str, Any]:
    """Many instances have the same one."""
    parameters = to_parameters(applied.workload)
    return {**msgspec.to_builtins(applied), "workload": parameters}


def _without_derived(value: Any) -> Any:
    """The same without what a candidate has from its run's market."""
    if isinstance(value, dict):
        names = value.keys() - (_DERIVED if value.keys() >= _DERIVED else set())
        return {name: _without_derived(value[name]) for name in value if name in names}
    return [_without_derived(each) for each in value] if isinstance(value, list) else value


def _inputs(row: ExperimentRow) -> dict[str, Any]:
    """The values of `_document`, which decisions recorded before it have in columns."""
    if row.document is not None:
        document: dict[str, Any] = msgspec.json.decode(zlib.decompress(row.document))
        return document
    return {
        "instance": row.instance,
        "policy": row.policy,
        "requirements": row.requirements,
        "dropped": row.dropped,
        "feature_names": row.feature_names,
        "stages": row.stages,
        "workload": row.workload,
    }


def _workload(inputs: Mapping[str, Any]) -> AppliedWorkload:
    """The workload of a decision; decisions before workloads existed had it in the policy."""
    if inputs["workload"] is not None:
        return msgspec.convert(inputs["workload"], AppliedWorkload)
    default, former = NO_WORKLOAD.workload, inputs["policy"]
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
    row: ExperimentRow, recorded: Mapping[str, Any] | None, scored: UnpackedCandidates
) -> Verdict | None:
    if row.decision is None:
        return None
    sides = {"current": scored.current, "chosen": scored.chosen}
    own = {name: getattr(row, name) for name in _COLUMNS_OF_VERDICT}
    return msgspec.convert({**sides, **(recorded or {}), **own}, Verdict)


def _known(value: float | None) -> float | None:
    """None for NaN: PostgreSQL would sort NaN above all numbers."""
    return None if value is None or math.isnan(value) else value
