"""Why a pool's risk is what it is, in numbers and in words.

Contributions are SHAP values in log-odds. Only there do they add up: a contribution of +0.4 moves
the risk of a safe pool less than that of a risky one, so no "share of the risk" is given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np

from spotlab.domain.features import FeatureFrame, Matrix
from spotlab.domain.market import Pool
from spotlab.domain.ports.models import RiskModel
from spotlab.domain.risk import HOURS_PER_MONTH, Risk, risk_within
from spotlab.errors import InvalidInput, NotFound

ADDITIVITY_TOLERANCE: Final = 1e-9
REST: Final = "all other features"


@runtime_checkable
class ScoredModel(RiskModel, Protocol):
    """A risk model that also tells the raw score its contributions add up to."""

    def raw_score(self, matrix: Matrix) -> Matrix:
        """Log-odds of each row, (n,)."""
        ...

    def refusals(self, matrix: Matrix) -> dict[int, str]:
        """Why rows are refused, by row number."""
        ...


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one feature does to one pool's score.

    Args:
        feature: its name; REST for a group.
        value: NaN where unknown, and for a group.
        unit: of the value; "" for a group.
        log_odds: above 0 raises the risk.
    """

    feature: str
    value: float
    unit: str
    log_odds: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """One pool's risk, taken apart.

    Args:
        pool: which.
        model: "name@version".
        base: log-odds before any feature is counted.
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
        """The largest contributions and one for the rest; they still add up."""
        return _grouped(self.contributions, count)


@dataclass(frozen=True, slots=True)
class Change:
    """How one feature sets two pools apart.

    Args:
        feature: its name; REST for a group.
        before, after: its values in the two pools; NaN where unknown.
        unit: of the values.
        log_odds: above 0: makes the second pool riskier.
    """

    feature: str
    before: float
    after: float
    unit: str
    log_odds: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Why the second pool is riskier or safer than the first.

    Args:
        before, after: the two explanations.
        base: difference of their bases, log-odds (0 for one model).
        changes: largest effect first; with base they add up to the difference of the raw scores.
    """

    before: Explanation
    after: Explanation
    base: float
    changes: tuple[Change, ...]

    @property
    def log_odds(self) -> float:
        """Raw score of the second minus the first."""
        return self.after.raw_score - self.before.raw_score


def explain(model: RiskModel, frame: FeatureFrame, pool: Pool, horizon_h: float) -> Explanation:
    """Take one pool's risk apart.

    Raises:
        NotFound: the frame has no such pool.
        InvalidInput: the frame lacks a feature, the model refuses the pool's features (says
            which), has no explanation, or one that does not add up.
    """
    row = _row(model, frame, pool)
    scored = _scored(model)
    refusals = scored.refusals(row)
    if refusals:
        raise InvalidInput(
            f"{pool.label}: {model.name} {model.version} refuses it: {refusals[0]}.",
            remedy="A refused pool has no risk.",
        )
    parts, bases = scored.contributions(row)
    raw, base = float(scored.raw_score(row)[0]), float(bases[0])
    _check_additive(model, float(parts[0].sum()) + base, raw)
    hazard = float(model.hazard_per_hour(row)[0])
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
    """Which features make the second pool riskier or safer than the first.

    Raises:
        InvalidInput: they come from two models.
    """
    if before.model != after.model:
        raise InvalidInput(
            f"{before.model} and {after.model} explain in their own units.",
            remedy="Compare two pools under one model.",
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
    if pool not in frame.pools:
        raise NotFound(f"{pool.label} has no features.", remedy="Collect the market first.")
    try:
        return frame.select(model.feature_names)[[frame.pools.index(pool)]]
    except KeyError as exc:
        raise InvalidInput(
            f"{model.name} {model.version} needs features that were not computed: {exc.args[0]}.",
            remedy="Choose a model that was trained on this version's features.",
        ) from None


def _scored(model: RiskModel) -> ScoredModel:
    if not isinstance(model, ScoredModel):
        raise InvalidInput(
            f"{model.name} {model.version} tells no raw score, so it has no explanation.",
            remedy="Choose another model.",
        )
    return model


def _check_additive(model: RiskModel, total: float, raw: float) -> None:
    if not math.isclose(total, raw, rel_tol=0.0, abs_tol=ADDITIVITY_TOLERANCE):
        raise InvalidInput(
            f"The contributions of {model.name} {model.version} add up to {total!r}, "
            f"its raw score is {raw!r}.",
            remedy="The explanation would be wrong and is not shown.",
        )


def _contributions(model: RiskModel, values: Matrix, parts: Matrix) -> tuple[Contribution, ...]:
    units = {feature["name"]: str(feature["unit"]) for feature in model.card["features"]}
    order = np.argsort(-np.abs(parts), kind="stable")
    return tuple(
        Contribution(
            feature=model.feature_names[i],
            value=float(values[i]),
            unit=units[model.feature_names[i]],
            log_odds=float(parts[i]),
        )
        for i in order
    )


def _grouped(parts: tuple[Contribution, ...], count: int) -> tuple[Contribution, ...]:
    if len(parts) <= count:
        return parts
    rest = math.fsum(part.log_odds for part in parts[count:])
    return (*parts[:count], Contribution(REST, math.nan, "", rest))
