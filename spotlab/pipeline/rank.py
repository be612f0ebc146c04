"""Expected cost of each pool, and the order of the candidates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotlab.domain.decision import Candidate, DropReason, PolicyParams, Requirements
from spotlab.domain.market import FeedKind, MarketName, Pool, Provenance
from spotlab.domain.risk import BUCKET_LABELS, Evidence, risk_within
from spotlab.pipeline.filter import drop_reasons
from spotlab.pipeline.score import ScoredMarket, price_read_at


@dataclass(frozen=True, slots=True)
class Ranking:
    """The candidates of one question, in order, and what was dropped.

    Args:
        scored: the market they were ranked in.
        requirements: what was asked.
        policy: parameters used.
        table: ScoredMarket.table's columns and outage_usd, risk, expected_cost_usd_per_hour,
            rank (0: dropped), dropped (DropReason or None) and row (position in scored.table);
            candidates first by rank, then the dropped.
    """

    scored: ScoredMarket
    requirements: Requirements
    policy: PolicyParams
    table: pd.DataFrame

    @property
    def candidates(self) -> pd.DataFrame:
        """The rows that were not dropped, best first."""
        return self.table.iloc[: int((self.table["rank"] > 0).sum())]

    @property
    def dropped(self) -> dict[str, int]:
        """How many pools each reason dropped, most first."""
        counts = Counter(str(reason) for reason in self.table["dropped"] if reason is not None)
        return dict(counts.most_common())

    def candidate(self, position: int) -> Candidate:
        """The candidate in this row of `table`, with reasons, sources and features."""
        return self.take([position])[0]

    def take(self, positions: Sequence[int]) -> list[Candidate]:
        """The candidates in these rows of `table`, in that order."""
        rows = self.table.iloc[list(positions)]
        values = self.scored.frame.values
        names = self.scored.frame.names
        origins = self.scored.data.origins
        return [
            _candidate(
                row,
                names,
                values[int(row["row"])],
                origins,
                self.policy,
                self.scored.evidence.get(int(row["row"])),
            )
            for row in rows.to_dict("records")
        ]

    def position_of(self, pool: Pool) -> int | None:
        """The row of `table` that holds a pool, or None."""
        zone = self.table["availability_zone"]
        match = (
            (self.table["region"] == pool.region)
            & (self.table["instance_type"] == pool.instance_type)
            & (self.table["operating_system"] == pool.operating_system)
            & (zone.isna() if pool.availability_zone is None else zone == pool.availability_zone)
        )
        found = np.flatnonzero(match.to_numpy())
        return int(found[0]) if len(found) else None


def rank(
    scored: ScoredMarket,
    requirements: Requirements,
    policy: PolicyParams,
    outage_usd_per_hour: float | None = None,
) -> Ranking:
    """Rank the pools that meet the requirements by expected cost.

    Args:
        scored: a scored market.
        requirements: what a pool must offer.
        policy: horizon, risk ceiling and what an interruption throws away.
        outage_usd_per_hour: what an hour of the workload is worth; None: the pool's own
            on-demand price, and its spot price where that is unknown (its reasons say so).
    """
    table = scored.table.copy()
    table["row"] = np.arange(len(table))
    table["risk"] = risk_within(table["hazard_per_hour"].to_numpy(), policy.horizon_h)
    worth = (
        table["on_demand_price_usd_per_hour"].fillna(table["spot_price_usd_per_hour"])
        if outage_usd_per_hour is None
        else outage_usd_per_hour
    )
    table["outage_usd"] = (policy.work_lost_h + policy.recovery_h) * worth
    table["expected_cost_usd_per_hour"] = (
        table["spot_price_usd_per_hour"] + table["hazard_per_hour"] * table["outage_usd"]
    )
    reasons = drop_reasons(table, requirements)
    undropped = np.asarray([reason is None for reason in reasons], dtype=bool)
    if _prices_too_old(scored, policy):
        reasons[undropped] = DropReason.STALE_PRICE
    else:
        over = undropped & (table["risk"].to_numpy() > policy.risk_ceiling)
        reasons[over] = DropReason.RISK_CEILING
    table["dropped"] = pd.Series(list(reasons), index=table.index, dtype=object)
    kept = table["dropped"].isna()
    order = ["expected_cost_usd_per_hour", "risk", "region", "availability_zone", "instance_type"]
    best = table[kept].sort_values(order, kind="stable")
    best["rank"] = np.arange(1, len(best) + 1)
    rest = table[~kept].assign(rank=0)
    return Ranking(
        scored,
        requirements,
        policy,
        pd.concat([best, rest], ignore_index=True) if len(table) else table.assign(rank=0),
    )


def _prices_too_old(scored: ScoredMarket, policy: PolicyParams) -> bool:
    if scored.data.market is MarketName.RECORDED:
        return False
    age = scored.data.as_of - price_read_at(scored.data)
    return age.total_seconds() > policy.max_price_age_h * 3600


def _candidate(
    row: Mapping[Hashable, Any],
    names: tuple[str, ...],
    values: NDArray[np.float64],
    origins: dict[FeedKind, Provenance],
    policy: PolicyParams,
    evidence: Evidence | None,
) -> Candidate:
    zone = row["availability_zone"]
    zone = zone if isinstance(zone, str) else None
    on_demand = _number(row["on_demand_price_usd_per_hour"])
    return Candidate(
        pool=Pool(
            str(row["region"]), zone, str(row["instance_type"]), str(row["operating_system"])
        ),
        spot_price_usd_per_hour=float(row["spot_price_usd_per_hour"]),
        on_demand_price_usd_per_hour=on_demand,
        risk=float(row["risk"]),
        horizon_h=policy.horizon_h,
        hazard_per_hour=float(row["hazard_per_hour"]),
        expected_cost_usd_per_hour=float(row["expected_cost_usd_per_hour"]),
        rank=int(row["rank"]),
        dropped=row["dropped"] if isinstance(row["dropped"], DropReason) else None,
        reasons=(*_reasons(row, on_demand, policy), *_taught(evidence, policy.horizon_h)),
        sources=_sources(zone, origins),
        features={
            name: float(value)
            for name, value in zip(names, values, strict=True)
            if np.isfinite(value)
        },
        evidence=evidence,
    )


def _reasons(
    row: Mapping[Hashable, Any], on_demand: float | None, policy: PolicyParams
) -> list[str]:
    price = float(row["spot_price_usd_per_hour"])
    reasons = []
    if isinstance(row["dropped"], DropReason):
        reasons.append(f"Dropped: {row['dropped']}.")
    if on_demand is None:
        reasons.append(
            f"Spot price {price:.4f} USD/h; on-demand price unknown, so an interruption is valued "
            "at the spot price."
        )
    else:
        about = "about " if row["on_demand_approximate"] is True else ""
        reasons.append(
            f"Spot price {price:.4f} USD/h, {about}{100 * (1 - price / on_demand):.0f} % below "
            "on-demand."
        )
    bucket = _number(row["advisor_bucket"])
    reasons.append(
        "No advisor record for this type here."
        if bucket is None
        else f"Interrupted {BUCKET_LABELS[int(bucket)]} of the time last month (advisor)."
    )
    reasons.append(
        f"Risk {100 * float(row['risk']):.2f} % within {policy.horizon_h:g} h; one interruption "
        f"costs {float(row['outage_usd']):.3f} USD."
    )
    return reasons


def _taught(evidence: Evidence | None, horizon_h: float) -> list[str]:
    """What own instances changed, in words."""
    if evidence is None:
        return []
    before = float(risk_within(evidence.prior_hazard_per_hour, horizon_h))
    after = float(risk_within(evidence.hazard_per_hour, horizon_h))
    seen = []
    if evidence.events or evidence.exposure_h:
        seen.append(f"{_seen(evidence.events, evidence.exposure_h)} here")
    if evidence.sibling_events or evidence.sibling_exposure_h:
        there = _seen(evidence.sibling_events, evidence.sibling_exposure_h)
        seen.append(f"{there} in its sibling zones, counted {evidence.sibling_weight:g}")
    singular = len(seen) == 1 and max(evidence.events, evidence.sibling_events) <= 1
    verb = ("raise" if after > before else "lower") + "s" * singular
    return [
        f"{' and '.join(seen)} {verb} the risk from {100 * before:.2f} % to {100 * after:.2f} %."
    ]


def _seen(events: int, exposure_h: float) -> str:
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
