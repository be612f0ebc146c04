"""Retention rules: which rows of each table may be deleted.

Never deleted: the audit log (its hash chain would break), models and policies with their events,
workloads, throughputs, switches with their journals (they say what was changed in AWS), accounts,
instances, users, leases, jobs, alert rules, interruptions and exposure (they cannot be collected
again), how far price histories are read, and recorded markets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Table, and_, exists, extract, func, inspect, or_, tuple_
from sqlalchemy.orm import aliased
from sqlmodel import SQLModel, col

from spotlab.domain.decision import Decision
from spotlab.domain.market import MarketName
from spotlab.store.market_runs import UNUSED_AFTER
from spotlab.store.tables.access import AnsweredWriteRow, ApiTokenRow, LinkRow, SessionRow
from spotlab.store.tables.core import (
    ExperimentRow,
    HealthRow,
    MarketSnapshotRow,
    SweepCellRow,
    SweepRow,
)
from spotlab.store.tables.jobs import JobRunRow, ProcessRow
from spotlab.store.tables.market_runs import MarketRunRow, MarketScoreRow
from spotlab.store.tables.monitoring import AlertRow, ProbeRow, RequestStatsRow
from spotlab.store.tables.outcomes import OutcomeRow, ShadowDecisionRow
from spotlab.store.tables.placement import PlacementRow
from spotlab.store.tables.price_readings import PricePageRow
from spotlab.store.tables.spot_events import RefusedMessageRow, SpotEventRow

Setting = Literal["keep_prices_days", "keep_experiments_days", "keep_health_days"]

_MAX_SETTLING_TIME: Final = timedelta(days=32)
"""A younger decision may still get its outcome: buckets are published a month later."""
_SETTLING_SLACK: Final = timedelta(days=2)
"""Time after its horizon within which a decision gets its outcome."""
_MAX_INTERRUPTION: Final = timedelta(days=8)
"""A price reading is resumed for 7 days."""
_MAX_REDELIVERY: Final = timedelta(days=15)
"""SQS keeps a message for up to 14 days: a younger one may be delivered again."""
_MIN_IDEMPOTENCY: Final = timedelta(days=1)
"""A younger write with an idempotency key may still be repeated."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Which rows of a table may be deleted.

    Args:
        row: the table.
        what: name of its rows, in messages and audit entries.
        setting: how long they are stored.
        old: SQL condition of old rows, given the time before which they are old, and now.
        batch: rows deleted per transaction.
        dependents: tables whose rows are deleted with them, and the column that refers to them.
    """

    row: type[SQLModel]
    what: str
    setting: Setting
    old: Callable[[datetime, datetime], ColumnElement[bool]]
    batch: int = 500
    dependents: Sequence[tuple[type[SQLModel], Any]] = ()

    @property
    def table(self) -> Table:
        """Its SQLAlchemy table."""
        table = inspect(self.row).local_table
        assert isinstance(table, Table), "a row's class has a table"
        return table


def _snapshots(before: datetime, _now: datetime) -> ColumnElement[bool]:
    """Preserves the newest snapshot at `before`, so that prices at that time are known.

    Recorded markets are preserved: they are old by nature and cannot be collected again.
    """
    row, later = MarketSnapshotRow, aliased(MarketSnapshotRow)
    newer = exists().where(
        col(later.kind) == col(row.kind),
        col(later.market) == col(row.market),
        col(later.scope) == col(row.scope),
        col(later.event_time) <= before,
        tuple_(col(later.event_time), col(later.id)) > tuple_(col(row.event_time), col(row.id)),
    )
    return and_(
        col(row.market) != MarketName.RECORDED.value,
        col(row.event_time) < before,
        col(row.fetched_at) < before,
        newer,
    )


def _has_newer(row: type[SQLModel], same: Sequence[str], order: Sequence[str]) -> Any:
    """Whether another row with the same values in some columns comes later in an order."""
    other = aliased(row)
    equal = [getattr(other, name) == getattr(row, name) for name in same]
    place, others_place = (
        tuple_(*(getattr(each, name) for name in order)) for each in (row, other)
    )
    return exists().where(*equal, others_place > place)


def _experiments(before: datetime, now: datetime) -> ColumnElement[bool]:
    """Preserves each instance's newest experiment and its last switch, which the cooldown needs."""
    row, switch = ExperimentRow, aliased(ExperimentRow)
    newer_switch = exists().where(
        col(switch.instance_id) == col(row.instance_id),
        col(switch.decision) == Decision.SWITCH.value,
        col(switch.shadow).is_(False),
        tuple_(col(switch.created_at), col(switch.id)) > tuple_(col(row.created_at), col(row.id)),
    )
    ends_h = extract("epoch", col(row.created_at)) / 3600.0 + col(row.horizon_h)
    return and_(
        col(row.created_at) < min(before, now - _MAX_SETTLING_TIME),
        ends_h < (now - _SETTLING_SLACK).timestamp() / 3600.0,
        _has_newer(row, ["instance_id"], ["created_at", "id"]),
        or_(
            col(row.decision).is_(None),
            col(row.decision) != Decision.SWITCH.value,
            col(row.shadow),
            newer_switch,
        ),
    )


def _market_runs(_before: datetime, now: datetime) -> ColumnElement[bool]:
    """Markets that no experiment refers to, unless a run that is still deciding may use them."""
    used = exists().where(col(ExperimentRow.market_run_id) == col(MarketRunRow.id))
    return and_(col(MarketRunRow.used_at) < now - UNUSED_AFTER, ~used)


def _price_pages(before: datetime, now: datetime) -> ColumnElement[bool]:
    """Pages of a reading that was interrupted so long ago that it begins anew."""
    return col(PricePageRow.stored_until) < min(before, now - _MAX_INTERRUPTION)


def _sweeps(before: datetime, _now: datetime) -> ColumnElement[bool]:
    """Preserves unfinished sweeps, and the newest finished one, which the page opens with."""
    row, later = SweepRow, aliased(SweepRow)
    newer = exists().where(col(later.state) == "done", col(later.created_at) > col(row.created_at))
    ended = col(row.state).in_(("done", "cancelled", "failed"))
    return and_(ended, col(row.created_at) < before, newer)


def _probes(before: datetime, _now: datetime) -> ColumnElement[bool]:
    """Preserves the newest probe of each state of a component."""
    return and_(
        col(ProbeRow.at) < before, _has_newer(ProbeRow, ["component", "state"], ["at", "id"])
    )


def _component_outcomes(before: datetime, _now: datetime) -> ColumnElement[bool]:
    """Preserves a component's newest success and newest failure."""
    return and_(
        col(HealthRow.at) < before, _has_newer(HealthRow, ["component", "ok"], ["at", "id"])
    )


def _job_runs(before: datetime, _now: datetime) -> ColumnElement[bool]:
    """Preserves running jobs, and a job's newest run in each state."""
    row = JobRunRow
    newer = _has_newer(row, ["job", "state"], ["id"])
    running = and_(col(row.started_at).is_not(None), col(row.ended_at).is_(None))
    return and_(func.coalesce(row.ended_at, row.due_at) < before, ~running, newer)


def _alerts(before: datetime, _now: datetime) -> ColumnElement[bool]:
    """Preserves unsent alerts, and the newest of each rule."""
    row = AlertRow
    newer = _has_newer(row, ["rule_id"], ["id"])
    settled = or_(col(row.sent_at).is_not(None), col(row.next_try_at).is_(None))
    return and_(col(row.at) < before, settled, newer)


def _ended(row: Any, ended_at: Any) -> Callable[[datetime, datetime], ColumnElement[bool]]:
    """Rows that expired or were ended before a time."""
    return lambda before, _now: or_(col(row.expires_at) < before, col(ended_at) < before)


def _answered_writes(before: datetime, now: datetime) -> ColumnElement[bool]:
    return col(AnsweredWriteRow.created_at) < min(before, now - _MIN_IDEMPOTENCY)


RULES: Final[tuple[Rule, ...]] = (
    Rule(MarketSnapshotRow, "market snapshots", "keep_prices_days", _snapshots, batch=50),
    Rule(PricePageRow, "pages of interrupted price readings", "keep_prices_days", _price_pages),
    Rule(
        ExperimentRow,
        "decisions",
        "keep_experiments_days",
        _experiments,
        batch=200,
        dependents=(
            (ShadowDecisionRow, col(ShadowDecisionRow.experiment_id)),
            (OutcomeRow, col(OutcomeRow.experiment_id)),
        ),
    ),
    Rule(
        MarketRunRow,
        "markets of decisions",
        "keep_experiments_days",
        _market_runs,
        batch=200,
        dependents=((MarketScoreRow, col(MarketScoreRow.run_id)),),
    ),
    Rule(
        SweepRow,
        "backtests",
        "keep_experiments_days",
        _sweeps,
        batch=5,
        dependents=((SweepCellRow, col(SweepCellRow.sweep_id)),),
    ),
    Rule(ProbeRow, "health probes", "keep_health_days", _probes),
    Rule(
        RequestStatsRow,
        "counted requests",
        "keep_health_days",
        lambda before, _now: col(RequestStatsRow.at) < before,
    ),
    Rule(HealthRow, "outcomes of components", "keep_health_days", _component_outcomes),
    Rule(JobRunRow, "job runs", "keep_health_days", _job_runs),
    Rule(AlertRow, "alerts", "keep_health_days", _alerts),
    Rule(
        SessionRow, "ended sessions", "keep_health_days", _ended(SessionRow, SessionRow.revoked_at)
    ),
    Rule(LinkRow, "used one-time links", "keep_health_days", _ended(LinkRow, LinkRow.used_at)),
    Rule(
        ApiTokenRow,
        "ended API tokens",
        "keep_health_days",
        _ended(ApiTokenRow, ApiTokenRow.revoked_at),
    ),
    Rule(
        SpotEventRow,
        "events from queues",
        "keep_experiments_days",
        lambda before, now: col(SpotEventRow.at) < min(before, now - _MAX_REDELIVERY),
    ),
    Rule(
        RefusedMessageRow,
        "refused messages",
        "keep_health_days",
        lambda before, now: col(RefusedMessageRow.refused_at) < min(before, now - _MAX_REDELIVERY),
    ),
    Rule(AnsweredWriteRow, "answered writes", "keep_health_days", _answered_writes),
    Rule(
        ProcessRow,
        "processes that are gone",
        "keep_health_days",
        lambda before, _now: col(ProcessRow.seen_at) < before,
    ),
    Rule(
        PlacementRow,
        "placement scores",
        "keep_prices_days",
        lambda before, _now: col(PlacementRow.asked_at) < before,
    ),
)
