"""The world that a policy is replayed in: availability, prices, forecasts.

A tick is one probe. A pool whose probe at a tick failed, or left no record, cannot be started at
that tick, and an instance that runs there is lost at its beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.traces import TracePanel
from spotlab.errors import InvalidInput

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a model said at each tick.

    Args:
        horizon_h: hours.
        risk: (n, p) P(capacity lost within horizon_h | available now), 0..1; row i may rest on
            ticks up to i only. NaN where the model has no answer.
    """

    horizon_h: float
    risk: FloatArray


@dataclass(frozen=True, slots=True)
class World:
    """Pools over time, what they cost, and what models said about them.

    Args:
        panel: n ticks of p pools; no record (NaN) counts as not available.
        spot_usd_per_hour: (p,) or (n, p) spot price, USD per hour; kept as (n, p).
        on_demand_usd_per_hour: USD per hour, one price wherever it is started.
        buckets: (p,) advisor bucket 0..4, NaN where unknown; None: none known.
        forecasts: of each model, in order of horizon.
        assumptions: a sentence for every number that was not measured: what it is, and why.
    Raises:
        InvalidInput: a shape or a price that cannot be.
    """

    panel: TracePanel
    spot_usd_per_hour: FloatArray
    on_demand_usd_per_hour: float
    buckets: FloatArray | None = None
    forecasts: Mapping[str, tuple[Forecast, ...]] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape = self.panel.available.shape
        prices = np.asarray(self.spot_usd_per_hour, dtype=np.float64)
        if prices.shape not in {shape, shape[1:]}:
            raise InvalidInput(
                f"Spot prices have the shape {prices.shape}.",
                remedy=f"Give {shape[1:]} or {shape}: one a pool, or one a tick and pool.",
            )
        on_demand = np.asarray([self.on_demand_usd_per_hour])
        for name, values in (("A spot price", prices), ("The on-demand price", on_demand)):
            if not (np.isfinite(values).all() and (values >= 0).all()):
                raise InvalidInput(
                    f"{name} is not a number of 0 or more.",
                    remedy="Give every pool a price in USD per hour.",
                )
        if self.buckets is not None and self.buckets.shape != shape[1:]:
            raise InvalidInput(
                f"Advisor buckets have the shape {self.buckets.shape}.",
                remedy=f"Give {shape[1:]}: one a pool.",
            )
        for model, forecasts in self.forecasts.items():
            if not forecasts or any(one.risk.shape != shape for one in forecasts):
                raise InvalidInput(
                    f"The forecasts of {model!r} do not fit the panel.",
                    remedy=f"Give at least one of the shape {shape}.",
                )
        object.__setattr__(self, "spot_usd_per_hour", np.broadcast_to(prices, shape))

    @property
    def ticks(self) -> int:
        """How many ticks there are."""
        return int(self.panel.available.shape[0])

    @property
    def tick_h(self) -> float:
        """Hours of a tick: the panel's nominal gap."""
        return self.panel.gap_s / 3600.0
