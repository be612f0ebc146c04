"""The market as a sentence, as rows and as one pool's history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.market import FeedKind, MarketData, Pool
from spotlab.domain.ports import SnapshotInfo
from spotlab.ui import charts
from spotlab.ui.common import background_tasks, formatting, permissions, session, tables
from spotlab.ui.common.tables import Column, at
from spotlab.ui.common.theme import Palette

SLOT = "collect"
EVERYWHERE = ("", FeedKind.ADVISOR)
"""Scopes that are no region: the Spot Advisor carries specifications of all of them."""
OFTEN = 3
"""Advisor buckets from this one on (15 % a month and more) are called "often"."""


def headline(data: MarketData) -> str:
    """How large the market is, how cheap and how safe."""
    pools, regions = len(data.prices), data.prices["region"].nunique()
    parts = [f"{formatting.count(pools, 'pool')} in {formatting.count(regions, 'region')}"]
    depth = _discounts(data).median()
    if formatting.known(depth):
        parts.append(f"half cost at least {formatting.percent(float(depth))} below on-demand")
    if len(data.advisor):
        often = (data.advisor["bucket"] >= OFTEN).mean()
        parts.append(
            f"{formatting.percent(float(often))} of types interrupted over 15 % last month"
        )
    return f"{parts[0]}: {', '.join(parts[1:])}" if len(parts) > 1 else parts[0]


def ages(data: MarketData, now: datetime) -> str:
    """How old the prices and the buckets are."""
    told = {FeedKind.PRICE_HISTORY: "zone prices", FeedKind.SPOT_PRICES: "region prices"}
    told[FeedKind.ADVISOR] = "interruption buckets"
    known = [
        f"{word} {formatting.age(data.origins[kind].age_s(now))} old"
        for kind, word in told.items()
        if kind in data.origins
    ]
    told_first = ", ".join(known)
    return f"{told_first[:1].upper()}{told_first[1:]}; every source is listed below."


def show_outcome() -> None:
    """What the last collect gave, once, or the progress of the present one."""
    done = background_tasks.take(SLOT)
    if done is not None:
        session.forget_market()
        report = done.result
        if report is not None and report.errors:
            st.warning(
                "\n\n".join(map(formatting.plain, report.errors)),
                title="Some sources failed; the last good data stays",
            )
        elif report is not None:
            what = "nothing had changed" if report.unchanged else "new data is in use"
            st.toast(f"{formatting.count(len(report.sources), 'snapshot')} read; {what}.")
    background_tasks.watch(SLOT)


def show_collect() -> None:
    """The page's one action, for who may."""
    running, reason = background_tasks.current(SLOT), permissions.why_not(Right.COLLECT)
    st.button(
        "Collect now",
        type="primary",
        icon=":material/sync:",
        on_click=_collect,
        disabled=reason is not None or (running is not None and not running.finished),
        help=reason,
        width="stretch",
    )


def _collect() -> None:
    market = session.desk().market
    background_tasks.begin(
        SLOT, "Collecting", lambda tell, stopped: market.collect(progress=tell, cancelled=stopped)
    )


def by_region(data: MarketData) -> pd.DataFrame:
    """One row a region: pools, types, typical discount and how often types are interrupted."""
    prices = data.prices.assign(discount=_discounts(data))
    frame = prices.groupby("region").agg(
        pools=("instance_type", "size"),
        types=("instance_type", "nunique"),
        price=("spot_price_usd_per_hour", "median"),
        discount=("discount", "median"),
        newest=("event_time", "max"),
    )
    often = data.advisor.assign(often=data.advisor["bucket"] >= OFTEN).groupby("region")["often"]
    frame["often"] = often.mean()
    return frame.reset_index()


def region_columns(now: datetime) -> dict[str, Column]:
    """How the regions' columns are shown."""
    return {
        "region": Column("region"),
        "pools": Column("pools", "{:,}".format, number=True),
        "types": Column("types", "{:,}".format, number=True),
        "price": Column("median price USD/h", formatting.usd, "Of all its pools.", number=True),
        "discount": Column(
            "median below on-demand",
            formatting.percent,
            "1 − spot / on-demand. “—”: no on-demand price is known there.",
            number=True,
        ),
        "often": Column(
            "interrupted over 15 %",
            formatting.percent,
            "Share of types in advisor bucket 15-20 % or >20 % last month. “—”: no record.",
            number=True,
        ),
        "newest": Column("newest price", at(now, formatting.ago)),
    }


def advisor_by_family(data: MarketData) -> pd.DataFrame:
    """Advisor rows with their family's series, for the heat map."""
    return data.advisor.assign(family=data.advisor["instance_type"].str.split(".").str[0])


def show_pool(data: MarketData, palette: Palette) -> None:
    """One pool's price over time; the pool is in the URL."""
    regions = sorted(data.prices["region"].unique())
    row = st.columns(3)
    with row[0]:
        region = st.selectbox("Region", regions, key="region_of", bind="query-params")
    here = data.prices[data.prices["region"] == region]
    with row[1]:
        types = sorted(here["instance_type"].unique())
        name = st.selectbox("Type", types, key="type_of", bind="query-params")
    zones = here.loc[here["instance_type"] == name, "availability_zone"]
    with row[2]:
        zone = st.selectbox(
            "Zone", sorted(zones.fillna("all zones")), key="zone_of", bind="query-params"
        )
    if region is None or name is None or zone is None:
        return
    pool = Pool(region, None if zone == "all zones" else zone, name)
    history = history_of(data, pool)
    if not len(history):
        st.caption(f"No price of {pool.label} is known.")
        return
    on_demand = _on_demand(data, pool)
    if len(history) == 1:
        st.write(
            f"{pool.label} costs "
            f"{formatting.usd_per_hour(history['spot_price_usd_per_hour'].iloc[0])}, "
            f"on-demand {formatting.usd_per_hour(on_demand)}. One price is known: this market has "
            "no "
            "history of the pool yet."
        )
        return
    st.plotly_chart(
        charts.price_history(history, palette, until=data.as_of, on_demand_usd_per_hour=on_demand),
        config=charts.CONFIG,
        key="price-history",
        alt=f"Spot price of {pool.label} over time",
    )


def history_of(data: MarketData, pool: Pool) -> pd.DataFrame:
    """A pool's change points, oldest first; its newest price alone where there is no history."""
    known = [_of(data.price_history, pool), _of(data.prices, pool)]
    both = pd.concat([part for part in known if len(part)]) if any(map(len, known)) else known[0]
    return both.drop_duplicates("event_time").sort_values("event_time")


def source_rows(infos: Sequence[SnapshotInfo]) -> pd.DataFrame:
    """One row a snapshot, newest of each kind and scope first."""
    return pd.DataFrame(
        [
            {
                "kind": info.kind.value.replace("_", " "),
                "source": info.source + (" (approximate)" if info.approximate else ""),
                "scope": "all regions" if info.scope in EVERYWHERE else info.scope,
                "event": info.event_time,
                "fetched": info.fetched_at,
                "records": info.records,
                "digest": info.digest[:12],
            }
            for info in infos
        ],
        columns=["kind", "source", "scope", "event", "fetched", "records", "digest"],
    )


def source_columns(now: datetime) -> dict[str, Column]:
    """How the sources' columns are shown."""
    return {
        "kind": Column("what"),
        "source": Column("source"),
        "scope": Column("region"),
        "event": Column("true", at(now, formatting.ago), "When it was true at the source."),
        "fetched": Column("read", at(now, formatting.ago), "When SpotLab read it last."),
        "records": Column("rows", "{:,}".format, number=True),
        "digest": Column("SHA-256", help="First 12 digits; equal content has an equal digest."),
    }


def show_sources(infos: Sequence[SnapshotInfo], now: datetime) -> None:
    """The age and the source of everything that is in use."""
    newest = {(i.kind, i.scope): i for i in reversed(infos)}
    frame = source_rows(sorted(newest.values(), key=lambda i: (i.kind, i.scope)))
    st.caption(
        f"{formatting.count(len(infos), 'snapshot')} kept; the newest of each kind and region."
    )
    tables.show(frame, source_columns(now), name="Sources", key="sources", max_rows=12)


def _discounts(data: MarketData) -> pd.Series:
    """1 − spot/on-demand of each row of `prices`; NaN where unknown."""
    known = data.on_demand.drop_duplicates(["region", "instance_type"])
    merged = data.prices[["region", "instance_type", "spot_price_usd_per_hour"]].merge(
        known[["region", "instance_type", "on_demand_price_usd_per_hour"]],
        on=["region", "instance_type"],
        how="left",
    )
    depth = 1 - merged["spot_price_usd_per_hour"] / merged["on_demand_price_usd_per_hour"]
    return depth.astype("float64").set_axis(data.prices.index)


def _on_demand(data: MarketData, pool: Pool) -> float | None:
    same = data.on_demand[
        (data.on_demand["region"] == pool.region)
        & (data.on_demand["instance_type"] == pool.instance_type)
    ]["on_demand_price_usd_per_hour"].dropna()
    return float(same.iloc[0]) if len(same) else None


def _of(prices: pd.DataFrame, pool: Pool) -> pd.DataFrame:
    zone = prices["availability_zone"]
    same = (
        (prices["region"] == pool.region)
        & (prices["instance_type"] == pool.instance_type)
        & (zone.isna() if pool.availability_zone is None else zone == pool.availability_zone)
    )
    return prices.loc[same, ["event_time", "spot_price_usd_per_hour"]]
