"""The simulated world: availability, prices and forecasts.

A tick is one probe. If a pool's probe failed or has no record, no instance can be started there at
that tick, and a running instance is lost at the start of the tick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.availability_traces import TracePanel
from spotlab.errors import InvalidInput
from spotlab.gym.workloads import DeadlineJob, Workload

FloatArray = NDArray[np.float64]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Forecast:
    """A model's predictions at each tick.

    Args:
        horizon_h: horizon of the risk, h.
        risk: (n, p) P(capacity lost within horizon_h | available now), 0..1; row i may depend only
            on ticks up to i. NaN if the model has no prediction.
    """

    horizon_h: float
    risk: FloatArray


@dataclass(frozen=True, slots=True)
class World:
    """Availability and prices of pools over time, and models' forecasts.

    Args:
        panel: n ticks of p pools; no record (NaN) counts as not available.
        spot_usd_per_hour: (p,) or (n, p) spot price, USD per hour; stored as (n, p).
        on_demand_usd_per_hour: USD per hour, the same everywhere.
        buckets: (p,) advisor bucket 0..4, NaN if unknown; None: none is known.
        forecasts: for each model, by horizon.
        egress_usd_per_gb: (p, p) price of moving a job's data from one pool to another, USD per GB;
            None: moving is free.
        assumptions: for each number that was not measured, a sentence with its value and reason.
    Raises:
        InvalidInput: a shape or a price is invalid.
    """

    panel: TracePanel
    spot_usd_per_hour: FloatArray
    on_demand_usd_per_hour: float
    buckets: FloatArray | None = None
    forecasts: Mapping[str, tuple[Forecast, ...]] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()
    egress_usd_per_gb: FloatArray | None = None
    _derived: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        shape = self.panel.available.shape
        prices = np.asarray(self.spot_usd_per_hour, dtype=np.float64)
        if prices.shape not in {shape, shape[1:]}:
            raise InvalidInput(
                f"Spot prices have the shape {prices.shape}.",
                remedy=f"Provide {shape[1:]} or {shape}: one per pool, or one per tick and pool.",
            )
        on_demand = np.asarray([self.on_demand_usd_per_hour])
        for name, values in (("A spot price", prices), ("The on-demand price", on_demand)):
            if not (np.isfinite(values).all() and (values >= 0).all()):
                raise InvalidInput(
                    f"{name} is not a number of 0 or more.",
                    remedy="Provide a price in USD per hour for every pool.",
                )
        if self.buckets is not None and self.buckets.shape != shape[1:]:
            raise InvalidInput(
                f"Advisor buckets have the shape {self.buckets.shape}.",
                remedy=f"Provide {shape[1:]}: one per pool.",
            )
        _check_egress(self.egress_usd_per_gb, shape[1])
        for model, forecasts in self.forecasts.items():
            if not forecasts or any(one.risk.shape != shape for one in forecasts):
                raise InvalidInput(
                    f"The forecasts of {model!r} do not match the panel.",
                    remedy=f"Provide at least one of the shape {shape}.",
                )
        object.__setattr__(self, "spot_usd_per_hour", np.broadcast_to(prices, shape))

    def derived(self, name: str, compute: Callable[[], Value]) -> Value:
        """A value that depends on this world only; computed once."""
        if name not in self._derived:
            self._derived[name] = compute()
        value: Value = self._derived[name]
        return value

    @property
    def up(self) -> NDArray[np.bool_]:
        """(n, p) whether an instance can be started; False if there is no record."""
        return self.derived("up", lambda: self.panel.available == 1.0)

    @property
    def usd(self) -> FloatArray:
        """(n, p) spot prices in USD per hour, row by row in memory."""
        return self.derived("usd", lambda: np.array(self.spot_usd_per_hour, order="C"))

    def move_usd(self, workload: Workload) -> FloatArray | None:
        """(p, p) cost of moving the workload's data between pools, USD; None: moving is free.

        Data takes the cheapest route, which may lead through other pools' regions.
        """
        if self.egress_usd_per_gb is None or not isinstance(workload, DeadlineJob):
            return None
        usd = self.derived("routes", lambda: _cheapest_routes(self.egress_usd_per_gb))
        usd = usd * workload.checkpoint_gb
        return usd if usd.any() else None

    @property
    def ticks(self) -> int:
        """Number of ticks."""
        return int(self.panel.available.shape[0])

    @property
    def tick_h(self) -> float:
        """Length of a tick, h: the panel's nominal gap."""
        return self.panel.gap_s / 3600.0


def _check_egress(usd_per_gb: FloatArray | None, pools: int) -> None:
    if usd_per_gb is None:
        return
    if usd_per_gb.shape != (pools, pools):
        raise InvalidInput(
            f"Egress prices have the shape {usd_per_gb.shape}.",
            remedy=f"Provide {(pools, pools)}: one from each pool to each pool.",
        )
    if not (
        np.isfinite(usd_per_gb).all()
        and (usd_per_gb >= 0).all()
        and not usd_per_gb.diagonal().any()
    ):
        raise InvalidInput(
            "An egress price is not a number of 0 or more, or not 0 within a pool.",
            remedy="Provide USD per GB from each pool to each pool.",
        )


def _cheapest_routes(usd_per_gb: FloatArray | None) -> FloatArray:
    assert usd_per_gb is not None
    cheapest = np.array(usd_per_gb)
    for via in range(len(cheapest)):
        np.minimum(cheapest, cheapest[:, via, None] + cheapest[None, via], out=cheapest)
    return cheapest
