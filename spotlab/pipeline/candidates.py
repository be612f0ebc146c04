"""Candidates from rows of a ranking: numbers, reasons, sources and features."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.decision import Candidate, DropReason
from spotlab.domain.hazard_curve import multiple
from spotlab.domain.like_for_like import Shortfall
from spotlab.domain.market import FeedKind, Pool, Provenance
from spotlab.domain.risk import BUCKET_LABELS, REBALANCE_WINDOW_H, Evidence, risk_within
from spotlab.pipeline.filter import HARDWARE_REASONS


def candidate_of(
    row: Mapping[Hashable, Any],
    names: tuple[str, ...],
    values: NDArray[np.float64],
    origins: dict[FeedKind, Provenance],
    horizon_h: float,
    evidence: Evidence | None,
    shortfall: Shortfall | None,
    unavailable: Mapping[str, str],
    performance: str,
) -> Candidate:
    """The candidate in one row of `Ranking.table`.

    Args:
        row: column name to value.
        names, values: features of the pool; values that are not finite are omitted.
        origins: provenance of each feed that the market was built from.
        horizon_h: of the risk, hours.
        evidence: interruptions and exposure of own instances in the pool, or None.
        shortfall: the fact in which its hardware is not like for like, or None.
        unavailable: pools that are left to other instances, by key, and why.
        performance: what its relative performance rests on, as a sentence; "" if it is its own.
    """
    zone = row["availability_zone"]
    zone = zone if isinstance(zone, str) else None
    pool = Pool(str(row["region"]), zone, str(row["instance_type"]), str(row["operating_system"]))
    on_demand = _number(row["on_demand_price_usd_per_hour"])
    return Candidate(
        pool=pool,
        spot_price_usd_per_hour=float(row["spot_price_usd_per_hour"]),
        on_demand_price_usd_per_hour=on_demand,
        risk=float(row["risk"]),
        horizon_h=horizon_h,
        hazard_per_hour=float(row["hazard_per_hour"]),
        expected_cost_usd_per_hour=float(row["expected_cost_usd_per_hour"]),
        rank=int(row["rank"]),
        dropped=row["dropped"] if isinstance(row["dropped"], DropReason) else None,
        reasons=(
            *_reasons(row, on_demand, horizon_h, shortfall, unavailable.get(pool.key)),
            *_evidence_reasons(evidence, horizon_h),
            *([performance] if performance else []),
        ),
        sources=_sources(zone, origins),
        features=dict(compress(zip(names, values.tolist(), strict=True), np.isfinite(values))),
        evidence=evidence,
        performance=float(row["performance"]),
    )


def _reasons(
    row: Mapping[Hashable, Any],
    on_demand: float | None,
    horizon_h: float,
    shortfall: Shortfall | None,
    left_because: str | None,
) -> list[str]:
    price = float(row["spot_price_usd_per_hour"])
    reasons = []
    if isinstance(row["dropped"], DropReason):
        hardware = row["dropped"] in HARDWARE_REASONS.values() and shortfall is not None
        reason = f"{shortfall}" if hardware else row["dropped"].label
        if row["dropped"] is DropReason.SPREAD:
            reason += f": {left_because}"
        if row["dropped"] is DropReason.SIGNALLED:
            reason += f": the last signal there is {float(row['signal_age_min']):.0f} min old"
        reasons.append(f"Filtered out: {reason}.")
    if on_demand is None:
        reasons.append(
            f"Spot price {price:.4f} USD/h; the on-demand price is unknown, so an interruption is "
            "valued at the spot price."
        )
    else:
        about = "about " if row["on_demand_approximate"] is True else ""
        reasons.append(
            f"Spot price {price:.4f} USD/h, {about}{100 * (1 - price / on_demand):.0f} % below "
            "on-demand."
        )
    bucket = _number(row["advisor_bucket"])
    reasons.append(
        "The advisor does not list this type in this region."
        if bucket is None
        else f"Advisor: {BUCKET_LABELS[int(bucket)]} were interrupted last month."
    )
    reasons.append(
        f"Risk {100 * float(row['risk']):.2f} % within {horizon_h:g} h; one interruption "
        f"costs {float(row['interruption_usd']):.3f} USD."
    )
    return reasons


def _evidence_reasons(evidence: Evidence | None, horizon_h: float) -> list[str]:
    """How the evidence changed the risk."""
    if evidence is None:
        return []
    before = float(risk_within(evidence.prior_hazard_per_hour, horizon_h))
    hazard = evidence.hazard_per_hour / evidence.rebalance_factor
    after = float(risk_within(hazard, horizon_h))
    observations: list[str] = []
    if evidence.events or evidence.exposure_h:
        observations.append(f"{_observation(evidence.events, evidence.exposure_h)} here")
    if evidence.sibling_events or evidence.sibling_exposure_h:
        siblings = _observation(evidence.sibling_events, evidence.sibling_exposure_h)
        observations.append(
            f"{siblings} in other zones of the region, with weight {evidence.sibling_weight:g}"
        )
    recommended = [
        *_rebalance_reasons(evidence, after, horizon_h),
        *_short_reasons(evidence, horizon_h),
    ]
    if not observations:
        return recommended
    was, now = f"{100 * before:.2f} %", f"{100 * after:.2f} %"
    if was == now:
        unchanged = f"{' and '.join(observations)}: too little to change the risk of {now}."
        return [unchanged, *recommended]
    singular = len(observations) == 1 and max(evidence.events, evidence.sibling_events) <= 1
    verb = ("raise" if after > before else "lower") + "s" * singular
    return [f"{' and '.join(observations)} {verb} the risk from {was} to {now}.", *recommended]


def _rebalance_reasons(evidence: Evidence, before: float, horizon_h: float) -> list[str]:
    """How a rebalance recommendation changed the risk."""
    if evidence.rebalance_age_h is None:
        return []
    after = float(risk_within(evidence.hazard_per_hour, horizon_h))
    return [
        f"A rebalance recommendation {60 * evidence.rebalance_age_h:.0f} min ago raises the risk "
        f"from {100 * before:.2f} % to {100 * after:.2f} %: its hazard counts "
        f"{evidence.rebalance_factor:.2g} times, which falls to 1 within {REBALANCE_WINDOW_H:g} h."
    ]


def _short_reasons(evidence: Evidence, horizon_h: float) -> list[str]:
    """How evidence that decays raises the risk: one sentence for each cause."""
    reasons, hazard = [], evidence.hazard_per_hour
    for number, part in enumerate(evidence.parts):
        before = float(
            risk_within(hazard * multiple(evidence.parts[:number], horizon_h), horizon_h)
        )
        parts = evidence.parts[: number + 1]
        after = float(risk_within(hazard * multiple(parts, horizon_h), horizon_h))
        what = part.detail or f"a {part.cause}"
        reasons.append(
            f"{what[:1].upper()}{what[1:]} {_ago(part.age_h)} raises the risk from "
            f"{100 * before:.2f} % to {100 * after:.2f} %: {part.effect}."
        )
    forecast = evidence.forecast
    if forecast is not None and evidence.forecast_share > 0.0:
        without = float(risk_within(hazard * multiple(evidence.parts, horizon_h), horizon_h))
        with_it = float(risk_within(hazard * evidence.multiple(horizon_h), horizon_h))
        reasons.append(
            f"{forecast.model} forecasts its capacity from {forecast.readings} launches and "
            f"probes: raises the risk from {100 * without:.2f} % to {100 * with_it:.2f} %; "
            f"{100 * evidence.forecast_share:.0f} % of a loss of capacity counts."
        )
    return reasons


def _ago(age_h: float) -> str:
    return f"{60 * age_h:.0f} min ago" if age_h < 2 else f"{age_h:.1f} h ago"


def _observation(events: int, exposure_h: float) -> str:
    count = "No interruption" if not events else f"{events} interruption{'s' * (events > 1)}"
    hours = f"{exposure_h:,.0f}" if exposure_h >= 10 else f"{exposure_h:.2g}"
    return f"{count} in {hours} h of your own instances"


def _sources(zone: str | None, origins: dict[FeedKind, Provenance]) -> tuple[Provenance, ...]:
    price = FeedKind.SPOT_PRICES if zone is None else FeedKind.PRICE_HISTORY
    kinds = [price, FeedKind.ON_DEMAND, FeedKind.ADVISOR, FeedKind.SPECS]
    return tuple(origins[kind] for kind in kinds if kind in origins)


def _number(value: Any) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None
