"""Peers of the gym: two ways to step through a trace, and value iteration in numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


class Region:
    """Availability, prices and costs of a region."""

    def __init__(self, up: list[bool], usd: list[float], tick_s: float) -> None:
        self.up, self.usd, self.tick_s = up, usd, tick_s
        self.costs = {"SPOT": 0.0, "ON_DEMAND": 0.0, "NONE": 0.0}

    def available(self, tick: int) -> bool:
        """Whether a spot instance can run."""
        return self.up[tick]

    def pay(self, tick: int, kind: str) -> float:
        """Record the cost of a tick."""
        price = {"SPOT": self.usd[tick], "ON_DEMAND": 3.0, "NONE": 0.0}[kind]
        cost = price * self.tick_s / 3600.0
        self.costs[kind] += cost
        return cost


class Environment:
    """The way of the published simulators of "Can't Be Late" and SkyNomad: every tick, each region
    is observed, costs are summed by region and kind, and a dict of them is added to a history."""

    def __init__(self, up: list[list[bool]], usd: list[list[float]], tick_s: float) -> None:
        columns = zip(zip(*up, strict=True), zip(*usd, strict=True), strict=True)
        self.regions = [Region(list(each), list(prices), tick_s) for each, prices in columns]
        self.tick_s, self.tick = tick_s, 0
        self.active: dict[int, str] = {}
        self.history: list[dict[str, object]] = []

    def observed(self) -> dict[int, bool]:
        """Whether spot instances are available, by region."""
        return {number: one.available(self.tick) for number, one in enumerate(self.regions)}

    def price(self, region: int) -> float:
        """Spot price, USD per hour."""
        return self.regions[region].usd[self.tick]

    def costs(self) -> tuple[dict[int, float], dict[str, float]]:
        """Costs so far, by region and by kind."""
        by_region = {number: sum(one.costs.values()) for number, one in enumerate(self.regions)}
        kinds = ("SPOT", "ON_DEMAND", "NONE")
        return by_region, {kind: sum(one.costs[kind] for one in self.regions) for kind in kinds}

    def step(self, kind: str, region: int | None) -> dict[str, object]:
        """Pass a tick with the requested instance."""
        self.active = {} if kind == "NONE" else {region or 0: kind}
        for number, running in self.active.items():
            self.regions[number].pay(self.tick, running)
        by_region, by_kind = self.costs()
        info: dict[str, object] = {
            "Timestamp": self.tick,
            "Elapsed": self.tick * self.tick_s,
            "Cost": sum(by_region.values()),
            "CostByRegion": by_region,
            "CostByType": by_kind,
            "SpotAvailability": self.observed(),
            "ActiveInstances": dict(self.active),
        }
        self.tick += 1
        return info


class Greedy:
    """Any spot instance that is up, and on-demand as late as possible."""

    def __init__(
        self, env: Environment, work_s: float, deadline_s: float, restart_s: float
    ) -> None:
        self.env, self.work_s, self.deadline_s, self.restart_s = env, work_s, deadline_s, restart_s
        self.done_s: list[float] = []
        self.overhead_s = 0.0
        self.last: tuple[str, int | None] = ("NONE", None)

    @property
    def done(self) -> bool:
        """Whether all work is done."""
        return sum(self.done_s) >= self.work_s - 1e-6

    def info(self) -> dict[str, object]:
        """Its part of the history."""
        done_s = sum(self.done_s)
        return {"Task/Done": done_s, "Task/Remaining": self.work_s - done_s}

    def step(self) -> tuple[str, int | None]:
        """The request for this tick."""
        left_s = self.work_s - sum(self.done_s)
        available = self.env.observed()
        slack_s = self.deadline_s - self.env.tick * self.env.tick_s - left_s
        request: tuple[str, int | None] = ("NONE", None)
        kind, region = self.last
        if kind == "ON_DEMAND" or slack_s <= self.restart_s + self.env.tick_s:
            request = ("ON_DEMAND", None)
        elif region is not None and available[region]:
            request = self.last
        elif zones := [zone for zone, up in available.items() if up]:
            request = ("SPOT", min(zones, key=self.env.price))
        if request != self.last:
            self.overhead_s = self.restart_s
        worked_s = 0.0 if request[0] == "NONE" else max(0.0, self.env.tick_s - self.overhead_s)
        self.overhead_s = max(0.0, self.overhead_s - self.env.tick_s)
        self.done_s.append(min(left_s, worked_s))
        self.last = request
        return request


def published_stepping(
    up: list[list[bool]],
    usd: list[list[float]],
    tick_s: float,
    job_s: tuple[float, float, float],
) -> float:
    """Cost of a job (work, deadline, restart, s), stepped as the published simulators do."""
    env = Environment(up, usd, tick_s)
    strategy = Greedy(env, *job_s)
    while not strategy.done:
        request = strategy.step()
        env.history.append({"RequestType": request[0], **env.step(*request), **strategy.info()})
    return sum(env.costs()[0].values())


def plain_loop(
    up: list[list[bool]],
    usd: list[list[float]],
    tick_s: float,
    job_s: tuple[float, float, float],
) -> tuple[float, int]:
    """Cost and number of ticks of the same job and policy in the plainest loop."""
    left_s, deadline_s, restart_s = job_s
    cost, place, overhead_s, on_demand = 0.0, -1, 0.0, False
    tick = 0
    while left_s > 1e-6:
        row = up[tick]
        if not on_demand:
            if deadline_s - tick * tick_s - left_s <= restart_s + tick_s:
                on_demand, place, overhead_s = True, -1, restart_s
            elif place < 0 or not row[place]:
                prices = usd[tick]
                place = -1
                for zone, is_up in enumerate(row):
                    if is_up and (place < 0 or prices[zone] < prices[place]):
                        place = zone
                overhead_s = restart_s
        if on_demand or place >= 0:
            cost += (3.0 if on_demand else usd[tick][place]) * tick_s
            if overhead_s < tick_s:
                left_s -= tick_s - overhead_s
                overhead_s = 0.0
            else:
                overhead_s -= tick_s
        tick += 1
    return cost / 3600.0, tick


def value_iteration(
    up: Bools, usd: Floats, per_tick: int, work: int, changeover: int
) -> tuple[float, tuple[NDArray[np.int8], ...]]:
    """Least cost of a job that keeps its work, USD per hour × quanta, and the choices behind it.

    The value of each (place, work left) is computed for each tick from the last one back; on-demand
    is the last place. The choices at each tick are what is best during a run (run, stop, move), the
    place of a start, and whether to start.
    """
    ticks, places = usd.shape
    to_ready = -(-changeover // per_tick)
    rest = to_ready * per_tick - changeover
    paid = np.vstack([np.zeros(places), np.cumsum(usd, axis=0)]) * per_tick
    never = np.full(work + 1, np.inf)
    never[0] = 0.0
    idle, ahead = never, [np.tile(never, (places, 1)) for _ in range(to_ready + 1)]
    ends = np.full(places, ticks)
    runs = np.empty((ticks, places, work + 1), np.int8)
    start_places = np.zeros((ticks, work + 1), np.int8)
    starts = np.empty((ticks, work + 1), np.int8)
    for tick in reversed(range(ticks)):
        now, price = up[tick], usd[tick][:, None]
        run = np.empty((places, work + 1))
        run[:, : per_tick + 1] = price * np.arange(per_tick + 1)
        np.add(price * per_tick, ahead[-1][:, 1:-per_tick], out=run[:, per_tick + 1 :])
        ready = ahead[-to_ready] if to_ready else run
        start, lasts = never, now & (ends >= tick + to_ready)
        if tick + to_ready <= ticks:
            last_usd = usd[tick + to_ready - 1][:, None]
            start_usd = paid[tick + to_ready] - paid[tick] - last_usd[:, 0] * rest
            begun = np.empty_like(run)
            begun[:, : rest + 1] = last_usd * np.arange(rest + 1)
            np.add(last_usd * rest, ready[:, 1 : work + 1 - rest], out=begun[:, rest + 1 :])
            begun += np.where(lasts, start_usd, np.inf)[:, None]
            start_places[tick] = begun.argmin(axis=0)
            start = begun.min(axis=0)
            start[0] = 0.0
        starts[tick] = start < idle
        idle = np.minimum(idle, start)
        runs[tick] = run > idle
        best = np.minimum(run, idle)
        for place in np.flatnonzero(now):
            alone = min(changeover, (ends[place] - tick) * per_tick)
            if alone < work and tick + to_ready <= ticks:
                until = tick + to_ready if lasts[place] else ends[place]
                overlap = paid[until, place] - paid[tick, place]
                if lasts[place]:
                    overlap = start_usd[place]
                moved = overlap + start[1 : work + 1 - alone]
                better = moved < best[place, alone + 1 :]
                runs[tick, place, alone + 1 :][better] = 2
                np.minimum(best[place, alone + 1 :], moved, out=best[place, alone + 1 :])
        best[~now] = idle
        best[:, 0] = 0.0
        ahead = [*ahead[1:], best]
        ends = np.where(now, ends, tick)
    return float(idle[work]), (runs, start_places, starts)
