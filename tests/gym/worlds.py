"""Small worlds for tests."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import strategies as st

from spotlab.domain.availability_traces import TracePanel
from spotlab.gym.workloads import DeadlineJob, Service
from spotlab.gym.world import FloatArray, Forecast, World

QUANTUM_H = 1.0 / 60.0
MODEL = "some-model"


def world_of(
    available: FloatArray | list[list[float]],
    prices: FloatArray | list[float],
    *,
    on_demand: float = 3.0,
    gap_s: float = 60.0,
    risk: FloatArray | None = None,
    buckets: FloatArray | None = None,
    egress: FloatArray | None = None,
) -> World:
    rows = np.asarray(available, dtype=np.float64)
    ticks, pools = rows.shape
    risks = np.where(rows == 1.0, 0.1, 0.9) if risk is None else risk
    panel = TracePanel(
        tuple(f"zone-{number}" for number in range(pools)),
        (None,) * pools,
        None,
        np.arange(ticks, dtype=np.float64) * (gap_s / 3600.0),
        rows,
        gap_s,
        ("made for a test",) * pools,
    )
    forecasts = {MODEL: (Forecast(1.0, risks),)}
    usd = np.asarray(prices, dtype=np.float64)
    return World(panel, usd, on_demand, buckets, forecasts, egress_usd_per_gb=egress)


@st.composite
def worlds(draw: st.DrawFn, max_ticks: int = 40, max_pools: int = 3) -> World:
    """Pools with spells of availability, some ticks without a record, and changing prices."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ticks = draw(st.integers(4, max_ticks))
    pools = draw(st.integers(1, max_pools))
    rows = rng.choice([0.0, 1.0, np.nan], p=[0.4, 0.55, 0.05], size=(ticks, pools))
    for tick in range(1, ticks):
        rows[tick] = np.where(rng.random(pools) < 0.7, rows[tick - 1], rows[tick])
    prices = np.round(rng.uniform(0.2, 2.5, (ticks, pools)), 2)
    return world_of(
        rows,
        prices,
        on_demand=2.0,
        gap_s=draw(st.sampled_from([60.0, 120.0, 180.0])),
        risk=rng.uniform(0.0, 1.0, (ticks, pools)),
        buckets=rng.integers(0, 5, pools).astype(np.float64),
    )


def with_egress(world: World, seed: int) -> World:
    """The world with egress prices between its pools, some of them free."""
    pools = len(world.panel.names)
    rng = np.random.default_rng(seed)
    usd = np.round(rng.choice([0.0, 0.02, 0.1], (pools, pools)), 2)
    np.fill_diagonal(usd, 0.0)
    return dataclasses.replace(world, egress_usd_per_gb=usd)


@st.composite
def jobs(draw: st.DrawFn, world: World) -> DeadlineJob:
    """A job that on-demand can finish within the world's length."""
    quanta = world.ticks * round(world.tick_h / QUANTUM_H)
    changeover = draw(st.integers(0, min(7, quanta - 1)))
    work = draw(st.integers(1, quanta - changeover))
    checkpoint = draw(st.sampled_from([0, 1, 2, 5]))
    return DeadlineJob(
        work * QUANTUM_H,
        world.ticks * world.tick_h,
        changeover * QUANTUM_H,
        checkpoint * QUANTUM_H,
        draw(st.sampled_from([0.0, 1.0])),
    )


@st.composite
def services(draw: st.DrawFn, world: World) -> Service:
    """A service of the world's length."""
    changeover = draw(st.integers(0, 7))
    worth = draw(st.sampled_from([0.0, 1.0, 3.0, 20.0]))
    return Service(world.ticks * world.tick_h, changeover * QUANTUM_H, worth)
