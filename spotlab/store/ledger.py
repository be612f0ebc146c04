"""The ledger: all experiments with their inputs, and references to the markets of their runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from operator import eq
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    SQLColumnExpression,
    and_,
    bindparam,
    func,
    insert,
    literal_column,
    or_,
    text,
    update,
)
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from spotlab.domain.decision import Decision, Experiment
from spotlab.domain.ports import ExperimentFilter, ExperimentSummary
from spotlab.errors import NotFound
from spotlab.store import experiment_counts
from spotlab.store.engine import reading, writing
from spotlab.store.experiments import (
    SUMMARY,
    to_experiment,
    to_summary,
    to_values,
    was_recorded_before,
)
from spotlab.store.repository import Repository
from spotlab.store.tables.core import ExperimentCountRow, ExperimentRow, InstanceRow

_ALL = ExperimentFilter()
_NAMES_IN_A_QUERY: Final = 500
_NEWEST_FIRST = (col(ExperimentRow.created_at).desc(), col(ExperimentRow.id).desc())
_HAS_FAILED = col(ExperimentRow.error) != literal_column("''")
_INSERT = insert(ExperimentRow).returning(col(ExperimentRow.id), sort_by_parameter_order=True)
"""Without objects for the rows, which take longer to make than to store."""
_IS_SWITCH = text("experiments.decision = 'SWITCH' AND experiments.shadow = false")
"""SQLite uses a partial index only if the condition is spelled out, without parameters."""


class SqlLedger(Repository):
    """Experiments in SQL: columns for searching, and the inputs as one compact value."""

    def record(self, experiment: Experiment) -> int:
        """Store one experiment; see `record_all`."""
        return self.record_all([experiment])[0]

    def record_all(self, experiments: Sequence[Experiment]) -> list[int]:
        """Store experiments and mark their instances as evaluated, in one transaction.

        Returns:
            The experiment_id of each, ascending.
        Raises:
            DatabaseDown: nothing was stored.
            InvalidInput: a time has no time zone, or a number is infinite or NaN; nothing was
                stored.
        """
        rows = [to_values(experiment) for experiment in experiments]
        if not rows:
            return []
        with writing(self._engine) as session:
            numbers: list[int] = [
                number
                for (number,) in session.connection().execute(_INSERT, rows)
                if number is not None
            ]
            experiment_counts.add(session, map(experiment_counts.group_of, rows), 1)
            session.connection().execute(
                _MARK_EVALUATED,
                [
                    {"instance": each.instance.instance_id, "evaluated_at": each.created_at}
                    for each in experiments
                ],
            )
        return numbers

    def get(self, experiment_id: int) -> Experiment:
        """One experiment as it was recorded; if it has a run, its candidates are not derived.

        Raises:
            NotFound: no such experiment.
        """
        with reading(self._engine) as session:
            row = session.get(ExperimentRow, experiment_id)
        if row is None:
            raise NotFound(
                f"Experiment {experiment_id} is not in the ledger.",
                remedy="See the list of experiments.",
            )
        experiment = to_experiment(row)
        if was_recorded_before(row):
            last_switch_at = self.last_switch_at(row.instance_id, before=experiment_id)
            return replace(experiment, last_switch_at=last_switch_at)
        return experiment

    def correlation_id(self, experiment_id: int) -> str:
        """Correlation id of an experiment's log lines; "": unknown, or no such experiment."""
        query = select(ExperimentRow.correlation_id).where(ExperimentRow.id == experiment_id)
        with reading(self._engine) as session:
            return session.exec(query).first() or ""

    def count(self, where: ExperimentFilter = _ALL) -> int:
        """Number of matching experiments; from kept counts, unless by instance or time."""
        if (where.instance_id, where.since, where.until, where.before) == (None,) * 4:
            kept = select(func.coalesce(func.sum(ExperimentCountRow.experiments), 0))
            query = kept.where(*_value_conditions(where, ExperimentCountRow))
        else:
            query = select(func.count()).select_from(ExperimentRow).where(*_conditions(where))
        with reading(self._engine) as session:
            return int(session.exec(query).one())

    def of(self, experiment_ids: Sequence[int]) -> Sequence[ExperimentSummary]:
        """Summaries of these experiments, newest first."""
        query = select(*SUMMARY).where(col(ExperimentRow.id).in_(experiment_ids))
        with reading(self._engine) as session:
            return [to_summary(row) for row in session.exec(query.order_by(*_NEWEST_FIRST))]

    def latest_per_instance(self) -> dict[str, ExperimentSummary]:
        """The newest experiment of each instance, by instance_id.

        The database finds the next instance, and its newest experiment, in an index, however many
        experiments there are.
        """
        row, other = ExperimentRow, aliased(ExperimentRow)
        first = select(func.min(row.instance_id).label("instance_id"))
        ids = first.cte("ids", recursive=True)
        following = (
            select(func.min(other.instance_id))
            .where(other.instance_id > ids.c.instance_id)
            .correlate(ids)
            .scalar_subquery()
        )
        known = ids.c.instance_id.is_not(None)
        ids = ids.union_all(select(following).select_from(ids).where(known))
        newest = (
            select(other.id)
            # "<=" and the order select the instance itself, and only by the index that begins with
            # it; for "==" PostgreSQL may read the times of all instances.
            .where(other.instance_id <= ids.c.instance_id)
            .order_by(
                col(other.instance_id).desc(), col(other.created_at).desc(), col(other.id).desc()
            )
            .limit(1)
            .correlate(ids)
            .scalar_subquery()
        )
        query = select(*SUMMARY).where(col(row.id).in_(select(newest).select_from(ids)))
        with reading(self._engine) as session:
            summaries = [to_summary(row) for row in session.exec(query)]
        return {summary.instance_id: summary for summary in summaries}

    def evaluations(self, since: datetime) -> list[tuple[datetime, bool, float]]:
        """Time, success and duration (ms) of each evaluation since a time, oldest first."""
        query = (
            select(ExperimentRow.created_at, ExperimentRow.error, ExperimentRow.duration_ms)
            .where(ExperimentRow.created_at >= since)
            .order_by(col(ExperimentRow.created_at))
        )
        with reading(self._engine) as session:
            return [(at, not error, took_ms) for at, error, took_ms in session.exec(query)]

    def last_switch_at(self, instance_id: str, before: int | None = None) -> datetime | None:
        """Time of the last SWITCH outside shadow mode; None: never.

        Args:
            instance_id: the instance.
            before: only experiments with a smaller id; None: all.
        """
        query = select(ExperimentRow.created_at).where(
            ExperimentRow.instance_id == instance_id, _IS_SWITCH
        )
        if before is not None:
            query = query.where(col(ExperimentRow.id) < before)
        with reading(self._engine) as session:
            return session.exec(query.order_by(_NEWEST_FIRST[0]).limit(1)).first()

    def last_switches(self, instance_ids: Collection[str]) -> dict[str, datetime]:
        """`last_switch_at` of each of these instances that has one."""
        found: dict[str, datetime] = {}
        names = sorted(instance_ids)
        with reading(self._engine) as session:
            for start in range(0, len(names), _NAMES_IN_A_QUERY):
                some = names[start : start + _NAMES_IN_A_QUERY]
                query = (
                    select(ExperimentRow.instance_id, func.max(ExperimentRow.created_at))
                    .where(
                        col(ExperimentRow.instance_id).in_(some),
                        ExperimentRow.decision == Decision.SWITCH.value,
                        col(ExperimentRow.shadow).is_(False),
                    )
                    .group_by(col(ExperimentRow.instance_id))
                )
                found |= dict(session.exec(query).all())
        return found

    def list(
        self, where: ExperimentFilter = _ALL, *, limit: int = 100, offset: int = 0
    ) -> list[ExperimentSummary]:
        """Summaries of matching experiments, newest first."""
        query = (
            select(*SUMMARY)
            .where(*_conditions(where))
            .order_by(*_NEWEST_FIRST)
            .limit(limit)
            .offset(offset)
        )
        with reading(self._engine) as session:
            return [to_summary(row) for row in session.exec(query)]


_EVALUATED_AT: Final = col(InstanceRow.last_evaluated_at)
_MARK_EVALUATED: Final = (
    update(InstanceRow)
    .where(
        col(InstanceRow.instance_id) == bindparam("instance"),
        or_(_EVALUATED_AT.is_(None), bindparam("evaluated_at") > _EVALUATED_AT),
    )
    .values(last_evaluated_at=bindparam("evaluated_at"))
)
"""The update only moves the time forward: an older experiment may be recorded late."""


def _value_conditions(
    where: ExperimentFilter, row: type[ExperimentRow | ExperimentCountRow]
) -> list[ColumnElement[bool]]:
    """The conditions on values that are also counted."""
    failed = _HAS_FAILED if row is ExperimentRow else col(ExperimentCountRow.failed)
    comparisons: list[tuple[SQLColumnExpression[Any], Callable[[Any, Any], Any], object]] = [
        (col(row.decision), eq, where.decision),
        (col(row.model), _is_model, where.model),
        (col(row.shadow), eq, where.shadow),
        (col(row.is_degraded), eq, where.degraded),
    ]
    conditions = [
        compare(column, value) for column, compare, value in comparisons if value is not None
    ]
    if where.failed is not None:
        conditions.append(failed if where.failed else ~failed)
    if where.accounts is not None:
        conditions.append(col(row.account).in_(where.accounts))
    return conditions


def _conditions(where: ExperimentFilter) -> list[ColumnElement[bool]]:
    """A filter as SQL; a model without a version matches all versions; times are inclusive."""
    row = ExperimentRow
    conditions = _value_conditions(where, row)
    if where.instance_id is not None:
        conditions.append(col(row.instance_id) == where.instance_id)
    if where.since is not None:
        conditions.append(col(row.created_at) >= where.since)
    if where.until is not None:
        conditions.append(col(row.created_at) <= where.until)
    if where.before is not None:
        at, number = where.before
        same_time = and_(col(row.created_at) == at, col(row.id) < number)
        conditions.append(or_(col(row.created_at) < at, same_time))
    return conditions


def _is_model(column: SQLColumnExpression[str], model: str) -> ColumnElement[bool]:
    if "@" in model:
        return column == model
    return column.startswith(f"{model}@", autoescape=True)
