"""Features of 90 days of price changes, from the market's table: beside polars and DuckDB.

    python -m benchmarks features [--pools=60000] [--points=500] [--json]

Each peer gets the same rows with the same codes for names, in its own columns, sorted, and two
threads; its figures must agree. Its variances are means of squares minus squares of means, which
reads the rows once; SpotLab's are computed around the mean. SpotLab's time includes checking the
order of the rows and finding each pool's rows and newest price. The rows also say how much memory
SpotLab takes beyond its input at most.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks._comparison import Row, compare, show
from spotlab.domain.market import LINUX, MarketData, MarketName
from spotlab.features.canonical_tables import ticks, to_micros
from spotlab.features.history_features import KERNELS, columns
from spotlab.features.panel import Panel
from spotlab.features.windows import MIN_COVERAGE
from spotlab.processes.kernels import THREADS

Figures = dict[str, np.ndarray]
NOW = datetime(2026, 11, 1, tzinfo=UTC)
TARGET = 20.0
MOST_MB = 500.0
_TYPES, _ZONES = 1000, 3
_HOUR_US = 3_600_000_000
_NAMES = ("region", "instance_type", "availability_zone")


def market_of(pools: int, points: int, seed: int = 7) -> MarketData:
    """Pools in regions of 1,000 types and three zones, with changes at random moments."""
    rng = np.random.default_rng(seed)
    pool = np.arange(pools)
    region, type_ = pool // (_TYPES * _ZONES), pool // _ZONES % _TYPES
    zone = region * _ZONES + pool % _ZONES
    gaps = rng.exponential(size=(pools, points + 1))
    share = np.cumsum(gaps, axis=1)[:, :-1] / gaps.sum(axis=1, keepdims=True)
    time_us = to_micros(NOW) - ((1.0 - share) * 90 * 24 * _HOUR_US).astype(np.int64)
    price = np.round(np.exp(rng.normal(-2.0, 0.1, pools * points)), 4)

    def coded(codes: np.ndarray, pattern: str) -> pd.Categorical:
        names = [pattern.format(number) for number in range(codes.max() + 1)]
        return pd.Categorical.from_codes(np.repeat(codes, points), names)

    history = pd.DataFrame(
        {
            "region": coded(region, "region-{:02}"),
            "availability_zone": coded(zone, "zone-{:03}"),
            "operating_system": pd.Categorical.from_codes(np.zeros(len(price), int), [LINUX]),
            "instance_type": coded(type_, "m{:04}.large"),
            "event_time": pd.DatetimeIndex(time_us.ravel().view("datetime64[us]"), tz=UTC),
            "spot_price_usd_per_hour": price,
        }
    )
    newest = history.iloc[points - 1 :: points].reset_index(drop=True)
    prices = newest.astype(dict.fromkeys((*_NAMES, "operating_system"), "str"))
    return MarketData(
        MarketName.RECORDED, NOW + timedelta(minutes=1), prices=prices, price_history=history
    )


def with_spotlab(panel: Panel) -> Figures:
    """The history features of the panel's pools; a copy of it, since it keeps what it looked up."""
    return columns(replace(panel))


def with_polars(frame: object, now_us: int) -> Figures:
    """The same features with polars."""
    import polars as pl

    def window(hours: int) -> pl.Expr:
        return pl.min_horizontal("age", hours) - pl.min_horizontal("until", hours)

    def at(hours: int) -> pl.Expr:
        covers = (pl.col("age") >= hours) & (pl.col("until") < hours)
        return pl.when(covers).then("price").max().alias(f"at_{hours}")

    same_as_next, same_as_last = (
        pl.all_horizontal(
            *(pl.col(name) == pl.col(name).shift(step, fill_value=-1) for name in _NAMES)
        )
        for step in (-1, 1)
    )
    lazy = frame.lazy().with_columns(  # type: ignore[attr-defined]
        age=(now_us - pl.col("time_us")) / _HOUR_US, log=pl.col("price").log()
    )
    lazy = lazy.with_columns(
        until=pl.when(same_as_next).then(pl.col("age").shift(-1)).otherwise(0.0),
        changed=same_as_last & (pl.col("price") != pl.col("price").shift(1)),
    ).with_columns(week=window(168), month=window(720))
    sums = [
        (pl.col(name) * power).sum().alias(f"{name}_{label}")
        for name in ("week", "month")
        for label, power in {
            "h": 1.0,
            "p": pl.col("price"),
            "l": pl.col("log"),
            "q": pl.col("log") ** 2,
        }.items()
        if (name, label) != ("week", "p")
    ]
    since = pl.when("changed").then("age").min().alias("since")
    found = (
        lazy.group_by(*_NAMES)
        .agg(at(24), at(168), at(720), since, pl.col("price").last(), *sums)
        .sort("region", "instance_type", "availability_zone")
        .collect()
    )
    return _figures({name: found[name].to_numpy() for name in found.columns})


def with_duckdb(connection: object, now_us: int) -> Figures:
    """The same features with DuckDB."""
    same = " and ".join(f"{name} = {{0}}({name}) over ()" for name in _NAMES)
    ats = ", ".join(
        f"max(price) filter (age >= {hours} and until < {hours}) as at_{hours}"
        for hours in (24, 168, 720)
    )
    sums = ", ".join(
        f"sum({name} * {power}) as {name}_{label}"
        for name in ("week", "month")
        for label, power in {"h": "1", "p": "price", "l": "log", "q": "log * log"}.items()
    )
    query = f"""
        with ages as (select *, ({now_us} - time_us) / {_HOUR_US}.0 as age, ln(price) as log
                      from history),
        steps as (select *, case when {same.format("lead")} then lead(age) over ()
                  else 0 end as until,
                  {same.format("lag")} and price <> lag(price) over () as changed from ages),
        hours as (select *, least(age, 168) - least(until, 168) as week,
                  least(age, 720) - least(until, 720) as month from steps)
        select {", ".join(_NAMES)}, {ats}, {sums}, min(age) filter (changed) as since,
               arg_min(price, age) as price
        from hours group by {", ".join(_NAMES)} order by {", ".join(_NAMES)}"""
    found = connection.execute(query).fetchnumpy()  # type: ignore[attr-defined]
    return _figures({name: np.ma.filled(values, np.nan) for name, values in found.items()})


def _figures(sums: Figures) -> Figures:
    """The features, from sums over windows."""
    week = np.where(sums["week_h"] >= MIN_COVERAGE * 168, sums["week_h"], np.nan)
    month = np.where(sums["month_h"] >= MIN_COVERAGE * 720, sums["month_h"], np.nan)
    spread = {
        days: np.sqrt(sums[f"{name}_q"] / hours - (sums[f"{name}_l"] / hours) ** 2)
        for days, name, hours in ((7, "week", week), (30, "month", month))
    }
    return {
        "price_change_1d": sums["price"] / sums["at_24"] - 1.0,
        "price_change_7d": sums["price"] / sums["at_168"] - 1.0,
        "price_change_30d": sums["price"] / sums["at_720"] - 1.0,
        "price_volatility_7d": spread[7],
        "price_volatility_30d": spread[30],
        "price_vs_mean_30d": sums["price"] / (sums["month_p"] / month) - 1.0,
        "hours_since_price_change": sums["since"],
    }


def peers(market: MarketData) -> dict[str, Callable[[], Figures]]:
    """A call for each peer that is installed (`make bench` installs them)."""
    history, now_us = market.price_history, to_micros(market.as_of)
    rows = {name: history[name].cat.codes.to_numpy() for name in _NAMES}
    rows["time_us"] = ticks(history["event_time"])
    rows["price"] = history["spot_price_usd_per_hour"].to_numpy()
    import duckdb
    import polars as pl

    frame = pl.DataFrame(rows)
    connection = duckdb.connect()
    connection.execute(f"set threads = {THREADS}")
    connection.execute("create table history as select * from frame")
    return {
        f"polars {pl.__version__}": lambda: with_polars(frame, now_us),
        f"DuckDB {duckdb.__version__}": lambda: with_duckdb(connection, now_us),
    }


def peak_beyond_mb(run: Callable[[], object]) -> float:
    """Most resident memory during a call, in addition to that before it, MB (Linux)."""

    def kilobytes(name: str) -> int:
        text = Path("/proc/self/status").read_text()
        return int(re.findall(rf"{name}:\s+(\d+)", text)[0])

    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    before = kilobytes("VmRSS")
    run()
    return max(0, kilobytes("VmHWM") - before) / 1000.0


def measured(pools: int = 60_000, points: int = 500, runs: int = 3) -> list[Row]:
    """The comparisons; the figures must agree."""
    market = market_of(pools, points)
    panel = Panel.of(market, market.pools())
    if reason := KERNELS.load():
        raise SystemExit(f"The kernels cannot be used: {reason}")
    expected = with_spotlab(panel)
    beyond_mb = peak_beyond_mb(lambda: with_spotlab(panel))
    assert beyond_mb <= MOST_MB, f"{beyond_mb:.0f} MB beyond the input"
    what = f"history features, {pools:,} pools × {points:,} changes ({beyond_mb:.0f} MB)"
    rows = []
    for name, run in peers(market).items():
        for feature, values in run().items():
            np.testing.assert_allclose(values, expected[feature], rtol=1e-6, atol=1e-6)
        rows.append(compare(what, lambda: with_spotlab(panel), name, run, TARGET, runs))
    return rows


def main(pools: str = "60000", points: str = "500", json: str = "", runs: str = "3") -> None:
    """Print the comparisons."""
    show(measured(int(pools), int(points), int(runs)), json != "")
