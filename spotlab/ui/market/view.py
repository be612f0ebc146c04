"""The market: headline, table of regions, price history of a pool, sources."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.market import FeedKind, MarketData, Pool
from spotlab.domain.ports import SnapshotInfo
from spotlab.ui import charts
from spotlab.ui.common import background_tasks, formatting, session, set_aside, tables
from spotlab.ui.common.tables import Column, at
from spotlab.ui.common.theme import Palette

SLOT = "collect"
EVERYWHERE = ("", FeedKind.ADVISOR)
"""Scopes that are not a region: the Spot Advisor feed has specifications for all regions."""
OFTEN = 3
"""Advisor buckets from this one upward (15 % a month and more) count as "often"."""


def headline(data: MarketData) -> str:
    """Size of the market, typical discount, and share of types that are interrupted often."""
    pools, regions = len(data.prices), data.prices["region"].nunique()
    parts = [f"{formatting.count(pools, 'pool')} in {formatting.count(regions, 'region')}"]
    depth = _discounts(data).median()
    if formatting.known(depth):
        parts.append(f"half cost at least {formatting.percent(float(depth))} less than on-demand")
    if len(data.advisor):
        often = (data.advisor["bucket"] >= OFTEN).mean()
        parts.append(
            f"{formatting.percent(float(often))} of types were interrupted at a rate over 15 % "
            "last month"
        )
    return f"{parts[0]}: {', '.join(parts[1:])}" if len(parts) > 1 else parts[0]


def ages(data: MarketData, now: datetime) -> str:
    """Age of the prices and of the buckets."""
    labels = {
        FeedKind.PRICE_HISTORY: "zone prices",
        FeedKind.SPOT_PRICES: "region prices",
        FeedKind.ADVISOR: "interruption buckets",
    }
    texts = [
        f"{label} {formatting.age(data.origins[kind].age_s(now))} old"
        for kind, label in labels.items()
        if kind in data.origins
    ]
    text = ", ".join(texts)
    return f"{text[:1].upper()}{text[1:]}; all sources are listed below."


def show_outcome() -> None:
    """The result of the last collection, once, or the progress of the running one."""
    run = background_tasks.take(SLOT)
    if run is not None:
        session.forget_market()
        report = run.result
        if report is not None and report.errors:
            st.warning(
                "\n\n".join(map(formatting.plain, report.errors)),
                title="Some sources failed; the last good data stays in use",
            )
        elif report is not None:
            result = "nothing had changed" if report.unchanged else "new data is in use"
            st.toast(f"{formatting.count(len(report.sources), 'source')} read; {result}.")
        if report is not None and report.set_aside:
            st.info(
                f"{formatting.count(report.set_aside, 'record')} could not be used and "
                "set aside; the reasons are listed below.",
                icon=":material/rule:",
            )
    background_tasks.watch(SLOT)


def show_collect() -> None:
    """The page's main action: collect the market."""
    background_tasks.start_button(
        "Collect now", SLOT, Right.COLLECT, _collect, icon=":material/sync:"
    )


def _collect() -> None:
    market = session.services().market
    background_tasks.begin(
        SLOT, "Collecting", lambda tell, stopped: market.collect(progress=tell, cancelled=stopped)
    )


def by_region(data: MarketData) -> pd.DataFrame:
    """One row per region: pools, types, median discount, share of types interrupted often."""
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
    """The columns of the table of regions."""
    return {
        "region": Column("region"),
        "pools": Column("pools", "{:,}".format, number=True),
        "types": Column("types", "{:,}".format, number=True),
        "price": Column("median price USD/h", formatting.usd, "Over all pools.", number=True),
        "discount": Column(
            "median discount",
            formatting.percent,
            "1 − spot / on-demand. “—”: no on-demand price is known for the region.",
            number=True,
        ),
        "often": Column(
            "interrupted over 15 %",
            formatting.percent,
            "Share of types in the advisor buckets 15-20 % and >20 % last month. “—”: no record.",
            number=True,
        ),
        "newest": Column("newest price", at(now, formatting.ago)),
    }


def advisor_by_family(data: MarketData) -> pd.DataFrame:
    """Advisor rows with the family of their type, for the heat map."""
    return data.advisor.assign(family=data.advisor["instance_type"].str.split(".").str[0])


def show_pool(data: MarketData, palette: Palette) -> None:
    """The price of one pool over time; the pool is in the URL."""
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
        st.caption(f"The price of {pool.label} is unknown.")
        return
    on_demand = _on_demand(data, pool)
    if len(history) == 1:
        st.write(
            f"{pool.label} costs "
            f"{formatting.usd_per_hour(history['spot_price_usd_per_hour'].iloc[0])}, "
            f"on-demand {formatting.usd_per_hour(on_demand)}. Only one price is known: the market "
            "has no price history of this pool yet."
        )
        return
    st.plotly_chart(
        charts.price_history(history, palette, until=data.as_of, on_demand_usd_per_hour=on_demand),
        config=charts.CONFIG,
        key="price-history",
        alt=f"Spot price of {pool.label} over time",
    )


def history_of(data: MarketData, pool: Pool) -> pd.DataFrame:
    """A pool's price changes, oldest first; only the newest price if there is no history."""
    prices = [_of(data.price_history, pool), _of(data.prices, pool)]
    frames = [frame for frame in prices if len(frame)] or prices[:1]
    return pd.concat(frames).drop_duplicates("event_time").sort_values("event_time")


def source_rows(infos: Sequence[SnapshotInfo]) -> pd.DataFrame:
    """One row per snapshot."""
    return pd.DataFrame(
        [
            {
                "kind": info.kind.value.replace("_", " "),
                "source": info.source + (" (approximate)" if info.approximate else ""),
                "scope": "all regions" if info.scope in EVERYWHERE else info.scope,
                "event": info.event_time,
                "fetched": info.fetched_at,
                "records": info.records,
                "set_aside": info.set_aside,
                "digest": info.digest[:12],
            }
            for info in infos
        ],
        columns=["kind", "source", "scope", "event", "fetched", "records", "set_aside", "digest"],
    )


def source_columns(now: datetime) -> dict[str, Column]:
    """The columns of the table of sources."""
    return {
        "kind": Column("data"),
        "source": Column("source"),
        "scope": Column("region"),
        "event": Column("event time", at(now, formatting.ago), "When it was true at the source."),
        "fetched": Column("read", at(now, formatting.ago), "When SpotLab last read it."),
        "records": Column("rows", "{:,}".format, number=True),
        "set_aside": Column(
            "set aside",
            "{:,}".format,
            "Records that could not be used, and why: below.",
            number=True,
        ),
        "digest": Column("SHA-256", help="First 12 digits; equal content has the same digest."),
    }


def show_sources(infos: Sequence[SnapshotInfo], now: datetime) -> None:
    """Source and age of all data in use."""
    frame = source_rows(sorted(infos, key=lambda i: (i.kind, i.scope)))
    st.caption("The newest snapshot of each kind and region.")
    tables.show(frame, source_columns(now), name="Sources", key="sources", max_rows=12)
    set_aside.show(infos)


def _discounts(data: MarketData) -> pd.Series:
    """1 − spot / on-demand of each row of `prices`; NaN if unknown."""
    on_demand = data.on_demand.drop_duplicates(["region", "instance_type"])
    merged = data.prices[["region", "instance_type", "spot_price_usd_per_hour"]].merge(
        on_demand[["region", "instance_type", "on_demand_price_usd_per_hour"]],
        on=["region", "instance_type"],
        how="left",
    )
    depth = 1 - merged["spot_price_usd_per_hour"] / merged["on_demand_price_usd_per_hour"]
    return depth.astype("float64").set_axis(data.prices.index)


def _on_demand(data: MarketData, pool: Pool) -> float | None:
    prices = data.on_demand[
        (data.on_demand["region"] == pool.region)
        & (data.on_demand["instance_type"] == pool.instance_type)
    ]["on_demand_price_usd_per_hour"].dropna()
    return float(prices.iloc[0]) if len(prices) else None


def _of(prices: pd.DataFrame, pool: Pool) -> pd.DataFrame:
    zone = prices["availability_zone"]
    matches = (
        (prices["region"] == pool.region)
        & (prices["instance_type"] == pool.instance_type)
        & (zone.isna() if pool.availability_zone is None else zone == pool.availability_zone)
    )
    return prices.loc[matches, ["event_time", "spot_price_usd_per_hour"]]
