"""Explanation of a pool's risk by the contributions of its features.

Contributions are SHAP values in log-odds, because they add up only there: a contribution of +0.4
changes the risk of a safe pool less than that of a risky one. No "share of the risk" is reported.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Protocol, TypeGuard

import numpy as np

from spotlab.domain.features import FeatureFrame, Matrix
from spotlab.domain.market import Pool
from spotlab.domain.ports.models import RiskModel
from spotlab.domain.risk import HOURS_PER_MONTH, Risk, risk_within
from spotlab.errors import InvalidInput, NotFound

ADDITIVITY_TOLERANCE: Final = 1e-9
REST: Final = "all other features"


class ScoredModel(RiskModel, Protocol):
    """A risk model that also returns the raw score, the sum of its contributions."""

    def explained(self, matrix: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        """(n, f) contributions, (n,) bases and (n,) raw scores, in log-odds."""
        ...

    def hazard_of(self, raw_score: Matrix) -> Matrix:
        """(n,) hazard per hour of each raw score."""
        ...

    def refusals(self, matrix: Matrix) -> dict[int, str]:
        """The reason for each refused row, by row number."""
        ...


@dataclass(frozen=True, slots=True)
class Contribution:
    """Contribution of one feature to one pool's score.

    Args:
        feature: its name; REST for the remaining features.
        value: NaN if unknown, and for REST.
        unit: unit of the value; "" for REST.
        log_odds: positive values raise the risk.
    """

    feature: str
    value: float
    unit: str
    log_odds: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """One pool's risk and the contributions to it.

    Args:
        pool: the pool.
        model: "name@version".
        base: log-odds without the contributions.
        contributions: largest effect first; with base they add up to raw_score.
        raw_score: log-odds.
        monthly_rate: P(interrupted within a month), 0..1.
        risk: within its horizon.
    """

    pool: Pool
    model: str
    base: float
    contributions: tuple[Contribution, ...]
    raw_score: float
    monthly_rate: float
    risk: Risk

    def top(self, count: int) -> tuple[Contribution, ...]:
        """The largest contributions, and one for the remaining features; they still add up."""
        return _group_rest(self.contributions, count)


@dataclass(frozen=True, slots=True)
class Change:
    """Contribution of one feature to the difference between two pools.

    Args:
        feature: its name; REST for the remaining features.
        before, after: its values in the two pools; NaN if unknown.
        unit: unit of the values.
        log_odds: positive values make the second pool riskier.
    """

    feature: str
    before: float
    after: float
    unit: str
    log_odds: float


@dataclass(frozen=True, slots=True)
class Difference:
    """The contributions to the difference in risk between two pools.

    Args:
        before, after: the two explanations.
        base: difference of their bases, in log-odds.
        changes: largest effect first; with base they add up to the difference of the raw scores.
    """

    before: Explanation
    after: Explanation
    base: float
    changes: tuple[Change, ...]

    @property
    def log_odds(self) -> float:
        """Raw score of the second pool minus that of the first."""
        return self.after.raw_score - self.before.raw_score


def explain(model: RiskModel, frame: FeatureFrame, pool: Pool, horizon_h: float) -> Explanation:
    """Explain one pool's risk.

    Raises:
        NotFound: the pool is not in the frame.
        InvalidInput: the frame lacks a feature, the model refuses the pool's features (names
            them), or its explanation is unavailable or does not add up.
    """
    row = _row(model, frame, pool)
    scored = _require_scored(model)
    refusals = scored.refusals(row)
    if refusals:
        raise InvalidInput(
            f"{model.name} {model.version} refuses {pool.label}: {refusals[0]}.",
            remedy="The risk of a refused pool is unknown.",
        )
    parts, bases, scores = scored.explained(row)
    raw, base = float(scores[0]), float(bases[0])
    _check_additive(model, float(parts[0].sum()) + base, raw)
    hazard = float(scored.hazard_of(scores)[0])
    return Explanation(
        pool=pool,
        model=f"{model.name}@{model.version}",
        base=base,
        contributions=_contributions(model, row[0], parts[0]),
        raw_score=raw,
        monthly_rate=float(risk_within(hazard, HOURS_PER_MONTH)),
        risk=Risk.from_hazard(hazard, horizon_h),
    )


def difference(before: Explanation, after: Explanation) -> Difference:
    """Find the features that make the second pool riskier or safer than the first.

    Raises:
        InvalidInput: the explanations come from two models.
    """
    if before.model != after.model:
        raise InvalidInput(
            f"The contributions of {before.model} and {after.model} cannot be compared.",
            remedy="Compare two pools with one model.",
        )
    first = {part.feature: part for part in before.contributions}
    changes = [
        Change(
            feature=part.feature,
            before=first[part.feature].value,
            after=part.value,
            unit=part.unit,
            log_odds=part.log_odds - first[part.feature].log_odds,
        )
        for part in after.contributions
    ]
    changes.sort(key=lambda change: (-abs(change.log_odds), change.feature))
    return Difference(before, after, after.base - before.base, tuple(changes))


def _row(model: RiskModel, frame: FeatureFrame, pool: Pool) -> Matrix:
    try:
        position = frame.position(pool)
    except KeyError:
        raise NotFound(
            f"{pool.label} has no features.", remedy="Collect the market first."
        ) from None
    try:
        return frame.rows([position], model.feature_names)
    except KeyError as exc:
        raise InvalidInput(
            f"{model.name} {model.version} needs features that were not computed: {exc.args[0]}.",
            remedy="Choose a model that was trained on this version's features.",
        ) from None


def _require_scored(model: RiskModel) -> ScoredModel:
    if not _is_scored(model):
        raise InvalidInput(
            f"{model.name} {model.version} has no raw score, so no explanation is available.",
            remedy="Choose another model.",
        )
    return model


def _is_scored(model: RiskModel) -> TypeGuard[ScoredModel]:
    """As a runtime check of the protocol, which takes a tenth of an explanation's time."""
    return all(hasattr(model, name) for name in ("explained", "hazard_of", "refusals"))


def _check_additive(model: RiskModel, total: float, raw: float) -> None:
    if not math.isclose(total, raw, rel_tol=0.0, abs_tol=ADDITIVITY_TOLERANCE):
        raise InvalidInput(
            f"The contributions of {model.name} {model.version} add up to {total!r}, "
            f"its raw score is {raw!r}.",
            remedy="The explanation would be wrong, so it is not shown.",
        )


def _contributions(model: RiskModel, values: Matrix, parts: Matrix) -> tuple[Contribution, ...]:
    units = {feature["name"]: str(feature["unit"]) for feature in model.card["features"]}
    names, known, log_odds = model.feature_names, values.tolist(), parts.tolist()
    order = np.argsort(-np.abs(parts), kind="stable").tolist()
    return tuple(
        Contribution(feature=names[i], value=known[i], unit=units[names[i]], log_odds=log_odds[i])
        for i in order
    )


def _group_rest(parts: tuple[Contribution, ...], count: int) -> tuple[Contribution, ...]:
    if len(parts) <= count:
        return parts
    rest = math.fsum(part.log_odds for part in parts[count:])
    return (*parts[:count], Contribution(REST, math.nan, "", rest))
