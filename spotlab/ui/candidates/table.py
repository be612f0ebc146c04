"""Candidates as rows, columns, chart marks and an export; requirements in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from spotlab.domain.decision import Candidate, Instance, Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.placement import PlacementScore
from spotlab.domain.requirements import Requirements
from spotlab.domain.risk import BUCKET_LABELS
from spotlab.pipeline.rank import Ranking
from spotlab.ui.candidates import placement_scores
from spotlab.ui.charts import Mark
from spotlab.ui.common import formatting
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette

TOP = 200
CHART_TOP = 10_000
EXPECTED_COST_HELP = (
    "Spot price + hazard × cost of an interruption (work lost and time to recover, valued at the "
    "on-demand price)."
)


def describe(requirements: Requirements) -> str:
    """The requirements in words."""
    return ", ".join(_demands(requirements)) or "none (every Linux pool)"


def _demands(need: Requirements) -> Iterator[str]:
    if need.regions:
        yield formatting.listed(need.regions)
    if need.zones:
        yield formatting.listed(need.zones)
    if need.vcpu_min is not None:
        yield f"at least {need.vcpu_min:g} vCPU"
    if need.vcpu_max is not None:
        yield f"at most {need.vcpu_max:g} vCPU"
    if need.memory_gb_min is not None:
        yield f"at least {need.memory_gb_min:g} GiB"
    if need.memory_gb_max is not None:
        yield f"at most {need.memory_gb_max:g} GiB"
    if need.architecture is not None:
        yield need.architecture
    if need.accelerator is not None:
        yield "with an accelerator" if need.accelerator else "no accelerator"
    if need.burstable is not None:
        yield "burstable" if need.burstable else "not burstable"
    if need.families:
        yield f"families {formatting.listed(need.families)}"
    if need.max_advisor_bucket is not None:
        yield f"interruption rate at most {BUCKET_LABELS[need.max_advisor_bucket]} a month"


def rows(table: pd.DataFrame, placements: Sequence[PlacementScore]) -> pd.DataFrame:
    """One row per candidate, with its placement score."""
    return pd.DataFrame(
        {
            "rank": table["rank"],
            "type": table["instance_type"],
            "zone": table["availability_zone"].where(
                table["availability_zone"].notna(), table["region"]
            ),
            "price": table["spot_price_usd_per_hour"],
            "cost": table["expected_cost_usd_per_hour"],
            "risk": table["risk"],
            "below": 1 - table["spot_price_usd_per_hour"] / table["on_demand_price_usd_per_hour"],
            "on_demand": table["on_demand_price_usd_per_hour"],
            "bucket": table["advisor_bucket"],
            "placement": np.array([p.score for p in placements], dtype=np.float64),
            "vcpu": table["vcpu"],
            "memory": table["memory_gb"],
            "architecture": table["architecture"],
            "approximate": table["on_demand_approximate"],
        }
    ).reset_index(drop=True)


def columns(horizon_h: float, palette: Palette) -> dict[str, Column]:
    """The columns of the table of candidates."""
    return {
        "rank": Column("rank", "{:,.0f}".format, "1: lowest expected cost.", number=True),
        "type": Column("type"),
        "zone": Column("zone", help="A region, if prices are known only per region."),
        "price": Column("price USD/h", formatting.usd, "Newest known spot price.", number=True),
        "cost": Column(
            "expected cost USD/h", formatting.usd_finer, EXPECTED_COST_HELP, number=True
        ),
        "risk": Column(
            f"risk {horizon_h:g} h",
            formatting.percent,
            f"P(interrupted within {horizon_h:g} h). Green: below 5 % a month; orange: below "
            "20 %; red: above.",
            colour=lambda risk: palette.of_risk(formatting.risk_level(risk, horizon_h)),
            number=True,
        ),
        "below": Column(
            "discount",
            formatting.percent,
            "1 − spot / on-demand. “—”: on-demand price unknown.",
            number=True,
        ),
        "on_demand": Column(
            "on-demand USD/h",
            formatting.usd,
            "“—”: not in the market data.",
            number=True,
        ),
        "bucket": Column(
            "interrupted",
            lambda bucket: BUCKET_LABELS[int(bucket)],
            "The Spot Advisor's bucket for the last month. “—”: no record for this type and "
            "region.",
            number=True,
        ),
        "placement": placement_scores.COLUMN,
        "vcpu": Column("vCPU", "{:g}".format, "“—”: unknown.", number=True),
        "memory": Column("memory GiB", "{:g}".format, "“—”: unknown.", number=True),
        "architecture": Column("architecture"),
    }


def current_of(ranking: Ranking, instance: Instance) -> Candidate | None:
    """The instance's own pool, scored; its region's pool if no zone prices are known."""
    position = ranking.position_of(instance.pool)
    if position is None:
        position = ranking.position_of(replace(instance.pool, availability_zone=None))
    return ranking.candidate(position) if position is not None else None


def marks(
    instance: Instance | None,
    current: Candidate | None,
    others: Mapping[str, Candidate],
    palette: Palette,
) -> list[Mark]:
    """Chart marks of the pool that an instance runs on and of others, one for each pool.

    Args:
        instance: if any; an on-demand one runs on no pool.
        current: the scored pool of its type and zone, or None.
        others: by what each is, such as "cheapest".
        palette: of the theme.
    """
    on_spot = instance is not None and instance.lifecycle is Lifecycle.SPOT
    by_pool: dict[Pool, tuple[list[str], Candidate]] = {}
    for word, candidate in others.items():
        by_pool.setdefault(candidate.pool, ([], candidate))[0].append(word)
    found = []
    if current is not None and on_spot:
        also, _ = by_pool.pop(current.pool, ([], current))
        found.append(_mark(["now", *also], current, "square-open", palette.bad))
    found += [_mark(words, each, "star", palette.move) for words, each in by_pool.values()]
    return found


def _mark(words: Sequence[str], candidate: Candidate, symbol: str, colour: str) -> Mark:
    return Mark(
        ", ".join(words),
        candidate.pool.label,
        candidate.risk,
        candidate.spot_price_usd_per_hour,
        symbol,
        colour,
    )


def keys(table: pd.DataFrame) -> list[str]:
    """The key of each row's pool."""
    columns = table[["region", "availability_zone", "instance_type", "operating_system"]]
    return [
        Pool(region, zone if isinstance(zone, str) else None, name, system).key
        for region, zone, name, system in columns.itertuples(index=False, name=None)
    ]


def zone_of(row: pd.Series) -> str:
    """The zone of a row's pool, or its region."""
    zone = row["availability_zone"]
    return zone if isinstance(zone, str) else str(row["region"])


def exported(ranking: Ranking) -> pd.DataFrame:
    """All pools of a ranking, filtered ones too, with plain column names and units."""
    table = ranking.table.drop(columns="row").copy()
    table["dropped"] = [None if reason is None else str(reason) for reason in table["dropped"]]
    table["interrupted_last_month"] = [
        None if np.isnan(bucket) else BUCKET_LABELS[int(bucket)]
        for bucket in table["advisor_bucket"]
    ]
    table["horizon_h"] = ranking.workload.horizon_h
    table["model"] = ranking.scored.model
    table["market"] = ranking.scored.data.market.value
    table["as_of"] = ranking.scored.data.as_of
    return table
