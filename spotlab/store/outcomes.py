"""Shadow decisions, outcomes of predictions, drift sketches, and weights learnt online."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Row, SQLColumnExpression, exists, func
from sqlmodel import col, select

from spotlab.domain.decision import Decision
from spotlab.domain.drift import MarketSketch, Sketch
from spotlab.domain.market import MarketName
from spotlab.domain.online_weights import OnlineWeights
from spotlab.domain.outcomes import Outcome, OutcomeState, ShadowDecision, Target
from spotlab.store.engine import insert_new, reading, upsert, writing
from spotlab.store.repository import Repository, field_values
from spotlab.store.tables.core import ExperimentRow
from spotlab.store.tables.outcomes import (
    DriftRow,
    OnlineWeightsRow,
    OutcomeRow,
    ShadowDecisionRow,
)

_SHADOW_FIELDS: Final = tuple(field.name for field in fields(ShadowDecision))
_SHADOW_COLUMNS: Final[tuple[Any, ...]] = tuple(
    col(getattr(ShadowDecisionRow, name)) for name in _SHADOW_FIELDS
)


class SqlShadowLog(Repository):
    """Shadow decisions in SQL."""

    def record(self, decisions: Sequence[ShadowDecision]) -> None:
        """Store decisions; one that is already stored (by experiment and challenger) is left
        unchanged."""
        if not decisions:
            return
        with writing(self._engine) as session:
            for decision in decisions:
                insert_new(session, ShadowDecisionRow(**field_values(decision)))

    def list(
        self,
        *,
        model: str | None = None,
        since: datetime | None = None,
        limit: int = 10_000,
        accounts: Sequence[str] | None = None,
        policies: bool = False,
    ) -> list[ShadowDecision]:
        """Decisions of challengers, newest first.

        Args:
            model, since, limit: no restriction beyond these.
            accounts: only those about their instances; None: all.
            policies: of policies in shadow instead of models.
        """
        policy = col(ShadowDecisionRow.policy)
        query = select(*_SHADOW_COLUMNS).where(policy != "" if policies else policy == "")
        if accounts is not None:
            query = query.where(_is_about(col(ShadowDecisionRow.experiment_id), accounts))
        if model is not None:
            query = query.where(ShadowDecisionRow.model == model)
        if since is not None:
            query = query.where(ShadowDecisionRow.created_at >= since)
        newest = (col(ShadowDecisionRow.created_at).desc(), col(ShadowDecisionRow.id).desc())
        with reading(self._engine) as session:
            rows = session.exec(query.order_by(*newest).limit(limit))
            return [_shadow(row) for row in rows]

    def of(self, experiment_ids: Sequence[int]) -> Sequence[ShadowDecision]:
        """Shadow decisions of these experiments, by experiment, models before policies."""
        query = (
            select(*_SHADOW_COLUMNS)
            .where(col(ShadowDecisionRow.experiment_id).in_(experiment_ids))
            .order_by(
                col(ShadowDecisionRow.experiment_id),
                col(ShadowDecisionRow.policy),
                col(ShadowDecisionRow.model),
            )
        )
        with reading(self._engine) as session:
            return [_shadow(row) for row in session.exec(query)]


class SqlOutcomes(Repository):
    """Outcomes of predictions in SQL."""

    def record(self, outcomes: Sequence[Outcome]) -> int:
        """Store outcomes; one already stored (by experiment, target, model) is left unchanged.

        Returns:
            The number of new ones.
        """
        with writing(self._engine) as session:
            return sum(insert_new(session, OutcomeRow(**field_values(each))) for each in outcomes)

    def list(
        self,
        *,
        target: Target | None = None,
        model: str | None = None,
        market: MarketName | None = None,
        accounts: Sequence[str] | None = None,
    ) -> list[Outcome]:
        """Outcomes, ordered by prediction time; accounts: only those of their instances."""
        query = select(OutcomeRow)
        if accounts is not None:
            query = query.where(_is_about(col(OutcomeRow.experiment_id), accounts))
        if target is not None:
            query = query.where(OutcomeRow.target == target.value)
        if model is not None:
            query = query.where(OutcomeRow.model == model)
        if market is not None:
            query = query.where(OutcomeRow.market == market.value)
        with reading(self._engine) as session:
            rows = session.exec(query.order_by(col(OutcomeRow.predicted_at), col(OutcomeRow.id)))
            return [_outcome(row) for row in rows]

    def of(self, experiment_ids: Sequence[int]) -> Sequence[Outcome]:
        """Outcomes of these experiments, ordered by experiment and target."""
        query = (
            select(OutcomeRow)
            .where(col(OutcomeRow.experiment_id).in_(experiment_ids))
            .order_by(col(OutcomeRow.experiment_id), col(OutcomeRow.target), col(OutcomeRow.id))
        )
        with reading(self._engine) as session:
            return [_outcome(row) for row in session.exec(query)]

    def settled(self, target: Target) -> set[tuple[int, str]]:
        """The experiment and model of every outcome of a target."""
        query = select(OutcomeRow.experiment_id, OutcomeRow.model).where(
            OutcomeRow.target == target.value
        )
        with reading(self._engine) as session:
            return {(experiment_id, model) for experiment_id, model in session.exec(query)}


class SqlDriftLog(Repository):
    """Sketches of scored markets in SQL."""

    def record(self, sketch: MarketSketch) -> bool:
        """Store a sketch, identified by market, model and time; True if new."""
        row = DriftRow(
            market=sketch.market.value,
            model=sketch.model,
            at=sketch.at,
            pools=sketch.pools,
            sketches={
                "features": msgspec.to_builtins(sketch.features),
                "prediction": msgspec.to_builtins(sketch.prediction),
                "importance": dict(sketch.importance),
            },
        )
        with writing(self._engine) as session:
            return insert_new(session, row)

    def last_at(self, market: MarketName, model: str) -> datetime | None:
        """Time of the newest sketch; None: there is none."""
        query = select(func.max(DriftRow.at)).where(
            DriftRow.market == market.value, DriftRow.model == model
        )
        with reading(self._engine) as session:
            return session.exec(query).one()

    def list(self, market: MarketName, model: str) -> list[MarketSketch]:
        """Sketches of a market and model, oldest first."""
        query = (
            select(DriftRow)
            .where(DriftRow.market == market.value, DriftRow.model == model)
            .order_by(col(DriftRow.at))
        )
        with reading(self._engine) as session:
            return [_sketch(row) for row in session.exec(query)]


class SqlOnlineWeights(Repository):
    """What was learnt online, the newest of each market."""

    def save(self, weights: OnlineWeights, state: bytes) -> None:
        """Replace what was learnt in a market before.

        Args:
            weights: what people see.
            state: what a forecaster continues from.
        """
        row = OnlineWeightsRow(
            market=weights.market.value,
            at=weights.at,
            model=weights.model,
            document=msgspec.to_builtins(weights),
            state=state,
        )
        with writing(self._engine) as session:
            upsert(session, row)

    def read(self, market: MarketName) -> OnlineWeights | None:
        """What people see of a market's weights; None: there are none, or of another format."""
        query = select(OnlineWeightsRow.document).where(OnlineWeightsRow.market == market.value)
        with reading(self._engine) as session:
            document = session.exec(query).first()
        return None if document is None else _weights(document)

    def read_with_state(self, market: MarketName) -> tuple[OnlineWeights, bytes] | None:
        """Both; None: there are none, or of another format."""
        query = select(OnlineWeightsRow).where(OnlineWeightsRow.market == market.value)
        with reading(self._engine) as session:
            row = session.exec(query).first()
            weights = None if row is None else _weights(row.document)
            return None if row is None or weights is None else (weights, row.state)


def _is_about(
    experiment_id: SQLColumnExpression[int], accounts: Sequence[str]
) -> ColumnElement[bool]:
    """Whether an experiment is about an instance of these accounts, looked up by its id."""
    row = ExperimentRow
    return exists().where(col(row.id) == experiment_id, col(row.account).in_(accounts))


def _shadow(row: Row[Any]) -> ShadowDecision:
    """A decision, from a row of _SHADOW_COLUMNS: there may be a hundred thousand of them."""
    values = dict(zip(_SHADOW_FIELDS, row, strict=True))
    for name in ("decision", "champion_decision"):
        values[name] = None if values[name] is None else Decision(values[name])
    return ShadowDecision(**values)


def _outcome(row: OutcomeRow) -> Outcome:
    values = row.model_dump(exclude={"id"})
    return Outcome(
        **{
            **values,
            "target": Target(row.target),
            "market": MarketName(row.market),
            "state": OutcomeState(row.state),
        }
    )


def _sketch(row: DriftRow) -> MarketSketch:
    return MarketSketch(
        market=MarketName(row.market),
        model=row.model,
        at=row.at,
        pools=row.pools,
        features=msgspec.convert(row.sketches["features"], dict[str, Sketch]),
        prediction=msgspec.convert(row.sketches["prediction"], Sketch),
        importance=row.sketches["importance"],
    )


def _weights(document: Mapping[Any, Any]) -> OnlineWeights | None:
    try:
        return msgspec.convert(document, OnlineWeights)
    except msgspec.ValidationError:
        return None
