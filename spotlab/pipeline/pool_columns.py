"""The pools of a scored market as arrays, built once and read for every instance.

A decision looks at every pool but shows a few: it works on these arrays, and only the pools that
are shown become objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotlab.domain.coded_texts import Texts
from spotlab.domain.market import Pool
from spotlab.domain.policy_parameters import CEILING_HORIZON_H
from spotlab.domain.risk import Evidence, FloatArray, risk_within

Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]


class PoolColumns:
    """The columns of `ScoredMarket.table`; n rows. Read-only.

    Args:
        table: the table.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        def texts(name: str) -> Texts:
            return Texts.of(table[name])

        def numbers(name: str) -> FloatArray:
            return table[name].to_numpy(dtype=np.float64)

        def flags(name: str) -> Mask:
            return table[name].to_numpy(dtype=bool)

        self.region = texts("region")
        self.availability_zone = texts("availability_zone")
        self.instance_type = texts("instance_type")
        self.operating_system = texts("operating_system")
        self.family = texts("family")
        self.architecture = texts("architecture")
        self.spot_price_usd_per_hour = numbers("spot_price_usd_per_hour")
        self.on_demand_price_usd_per_hour = numbers("on_demand_price_usd_per_hour")
        self.on_demand_approximate = flags("on_demand_approximate")
        self.vcpu = numbers("vcpu")
        self.memory_gb = numbers("memory_gb")
        self.accelerated = flags("accelerated")
        self.burstable = flags("burstable")
        self.advisor_bucket = numbers("advisor_bucket")
        self.hazard_per_hour = numbers("hazard_per_hour")
        self.signal_age_min = numbers("signal_age_min")
        self._evidence: Mapping[int, Evidence] = {}
        self._hazards: dict[float, FloatArray] = {}
        self._risks: dict[float, FloatArray] = {}
        self._rows_of_key: dict[str, tuple[int, ...]] = {}

    def with_hazard(self, hazard_per_hour: pd.Series) -> PoolColumns:
        """The same pools with the hazards of another model."""
        changed = copy(self)
        changed.hazard_per_hour = hazard_per_hour.to_numpy(dtype=np.float64)
        changed._evidence, changed._hazards, changed._risks = {}, {}, {}
        return changed

    def with_evidence(self, evidence: Mapping[int, Evidence]) -> PoolColumns:
        """The same pools; evidence raises the hazards of these rows for a while."""
        changed = copy(self)
        changed._evidence, changed._hazards, changed._risks = evidence, {}, {}
        return changed

    def __len__(self) -> int:
        return len(self.hazard_per_hour)

    def risk(self, horizon_h: float) -> FloatArray:
        """(n,) risk within a horizon."""
        if horizon_h not in self._risks:
            self._risks[horizon_h] = risk_within(self.hazard_within(horizon_h), horizon_h)
        return self._risks[horizon_h]

    def hazard_within(self, horizon_h: float) -> FloatArray:
        """(n,) mean hazard within a horizon, per hour; the long-run one without short parts."""
        if not self._evidence:
            return self.hazard_per_hour
        if horizon_h not in self._hazards:
            hazard = self.hazard_per_hour.copy()
            for row, evidence in self._evidence.items():
                hazard[row] *= evidence.multiple(horizon_h)
            self._hazards[horizon_h] = hazard
        return self._hazards[horizon_h]

    @property
    def ceiling_risk(self) -> FloatArray:
        """(n,) risk within CEILING_HORIZON_H."""
        return self.risk(CEILING_HORIZON_H)

    @cached_property
    def value_usd_per_hour(self) -> FloatArray:
        """(n,) on-demand price, or the spot price where it is unknown."""
        listed = self.on_demand_price_usd_per_hour
        return np.where(np.isnan(listed), self.spot_price_usd_per_hour, listed)

    @cached_property
    def tie_order(self) -> NDArray[np.intp]:
        """(n,) numbers that order pools by region, zone, type and row."""
        names = (self.instance_type.order, self.availability_zone.order, self.region.order)
        places = np.empty(len(self), dtype=np.intp)
        places[np.lexsort(names)] = np.arange(len(self))
        return places

    @cached_property
    def _by_type(self) -> tuple[Rows, NDArray[np.intp]]:
        codes = self.instance_type.codes
        rows = np.argsort(codes, kind="stable")
        return rows, np.searchsorted(codes[rows], np.arange(len(self.instance_type.names) + 1))

    def rows_of_type(self, instance_type: str) -> Rows:
        """The rows of a type, ascending."""
        code = self.instance_type.code_of.get(instance_type)
        rows, starts = self._by_type
        return rows[:0] if code is None else rows[starts[code] : starts[code + 1]]

    def rows_of(self, pool: Pool) -> list[int]:
        """The rows of a pool, ascending."""
        rows = self.rows_of_type(pool.instance_type)
        found = []
        for row in rows[self._is_in_region(rows, pool.region)].tolist():
            zone, system = self.availability_zone.at(row), self.operating_system.at(row)
            if (zone, system) == (pool.availability_zone, pool.operating_system):
                found.append(row)
        return found

    def rows_of_key(self, key: str) -> tuple[int, ...]:
        """The rows of the pool with this key. Raises ValueError: it is no key."""
        found = self._rows_of_key.get(key)
        if found is None:
            found = self._rows_of_key[key] = tuple(self.rows_of(Pool.parse(key)))
        return found

    def on_demand_usd_per_hour(self, region: str, instance_type: str) -> float | None:
        """On-demand price of a type in a region; None: unknown."""
        rows = self.rows_of_type(instance_type)
        prices = self.on_demand_price_usd_per_hour[rows[self._is_in_region(rows, region)]]
        known = prices[~np.isnan(prices)]
        return float(known[0]) if len(known) else None

    def _is_in_region(self, rows: Rows, region: str) -> Mask:
        return np.asarray(self.region.codes[rows] == self.region.code_of.get(region, -2))

    def row(self, row: int) -> dict[str, Any]:
        """The values of a row that describe its pool, by column."""
        return {
            "region": self.region.at(row),
            "availability_zone": self.availability_zone.at(row),
            "instance_type": self.instance_type.at(row),
            "operating_system": self.operating_system.at(row),
            "spot_price_usd_per_hour": float(self.spot_price_usd_per_hour[row]),
            "on_demand_price_usd_per_hour": float(self.on_demand_price_usd_per_hour[row]),
            "on_demand_approximate": bool(self.on_demand_approximate[row]),
            "advisor_bucket": float(self.advisor_bucket[row]),
            "hazard_per_hour": float(self.hazard_per_hour[row]),
            "signal_age_min": float(self.signal_age_min[row]),
        }
