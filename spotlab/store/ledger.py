"""The ledger: all experiments with their inputs, and references to the markets of their runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from operator import eq, ge, le
from typing import Any, Final

from sqlalchemy import ColumnElement, SQLColumnExpression, and_, bindparam, func, or_, update
from sqlmodel import col, select

from spotlab.domain.decision import Decision, Experiment
from spotlab.domain.ports import ExperimentFilter, ExperimentSummary
from spotlab.errors import NotFound
from spotlab.store.engine import reading, writing
from spotlab.store.experiments import (
    SUMMARY,
    to_experiment,
    to_row,
    to_summary,
    was_recorded_before,
)
from spotlab.store.repository import Repository
from spotlab.store.tables.core import ExperimentRow, InstanceRow

_ALL = ExperimentFilter()
_NAMES_IN_A_QUERY: Final = 500
_NEWEST_FIRST = (col(ExperimentRow.created_at).desc(), col(ExperimentRow.id).desc())


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
        rows = [to_row(experiment) for experiment in experiments]
        if not rows:
            return []
        with writing(self._engine) as session:
            session.add_all(rows)
            session.flush()
            session.connection().execute(
                _MARK_EVALUATED,
                [
                    {"instance": each.instance.instance_id, "evaluated_at": each.created_at}
                    for each in experiments
                ],
            )
            numbers = [row.id for row in rows if row.id is not None]
        assert len(numbers) == len(rows), "the database assigns ids"
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
        """Number of matching experiments."""
        query = select(func.count()).select_from(ExperimentRow).where(*_conditions(where))
        with reading(self._engine) as session:
            return session.exec(query).one()

    def numbers(self, where: ExperimentFilter = _ALL) -> set[int]:
        """Ids of all matching experiments."""
        query = select(ExperimentRow.id).where(*_conditions(where))
        with reading(self._engine) as session:
            return {number for number in session.exec(query) if number is not None}

    def of(self, experiment_ids: Sequence[int]) -> Sequence[ExperimentSummary]:
        """Summaries of these experiments, newest first."""
        query = select(*SUMMARY).where(col(ExperimentRow.id).in_(experiment_ids))
        with reading(self._engine) as session:
            return [to_summary(row) for row in session.exec(query.order_by(*_NEWEST_FIRST))]

    def latest_per_instance(self) -> dict[str, ExperimentSummary]:
        """The newest experiment of each instance, by instance_id."""
        rank = func.row_number().over(
            partition_by=col(ExperimentRow.instance_id), order_by=_NEWEST_FIRST
        )
        ranked = select(ExperimentRow.id, rank.label("rank")).subquery()
        newest = select(ranked.c.id).where(ranked.c.rank == 1)
        query = select(*SUMMARY).where(col(ExperimentRow.id).in_(newest))
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
        query = select(func.max(ExperimentRow.created_at)).where(
            ExperimentRow.instance_id == instance_id,
            ExperimentRow.decision == Decision.SWITCH.value,
            col(ExperimentRow.shadow).is_(False),
        )
        if before is not None:
            query = query.where(col(ExperimentRow.id) < before)
        with reading(self._engine) as session:
            return session.exec(query).one()

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


def _conditions(where: ExperimentFilter) -> list[ColumnElement[bool]]:
    """A filter as SQL; a model without a version matches all versions; times are inclusive."""
    row = ExperimentRow
    comparisons: list[tuple[SQLColumnExpression[Any], Callable[[Any, Any], Any], object]] = [
        (col(row.instance_id), eq, where.instance_id),
        (col(row.decision), eq, where.decision),
        (col(row.model), _is_model, where.model),
        (col(row.created_at), ge, where.since),
        (col(row.created_at), le, where.until),
        (col(row.shadow), eq, where.shadow),
        (col(row.is_degraded), eq, where.degraded),
        (col(row.error) != "", eq, where.failed),
    ]
    conditions = [
        compare(column, value) for column, compare, value in comparisons if value is not None
    ]
    if where.before is not None:
        at, number = where.before
        same_time = and_(col(row.created_at) == at, col(row.id) < number)
        conditions.append(or_(col(row.created_at) < at, same_time))
    if where.accounts is not None:
        conditions.append(col(row.account).in_(where.accounts))
    return conditions


def _is_model(column: SQLColumnExpression[str], model: str) -> ColumnElement[bool]:
    if "@" in model:
        return column == model
    return column.startswith(f"{model}@", autoescape=True)
