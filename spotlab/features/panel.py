"""A MarketData as arrays, from which all features are computed.

There are about 33 regions and 1,400 instance types, so values per (region, type) are a dense matrix
with regions as rows and types as columns, NaN if unknown. Types are sorted by family, so that sums
over families are one `reduceat`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotlab.domain.instance_types import TypeName, family_of, parse_type
from spotlab.domain.market import LINUX, REGION_LEVEL, MarketData, Pool
from spotlab.features.canonical_tables import ticks, to_micros

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_HOUR_US = 3_600_000_000


@dataclass(frozen=True)
class Panel:
    """The requested pools and the whole market as arrays.

    Args:
        market: the market.
        pools: n pools to compute features of.
        regions: R names, sorted.
        types: T names, sorted by family, then name.
        region: (n,) row of each pool's region.
        type_: (n,) column of each pool's type.
        linux: (n,) whether the pool is Linux; a MarketData has no data of other systems.
    """

    market: MarketData
    pools: tuple[Pool, ...]
    regions: pd.Index
    types: pd.Index
    region: Ints
    type_: Ints
    linux: NDArray[np.bool_]

    @classmethod
    def of(cls, market: MarketData, pools: Sequence[Pool]) -> Panel:
        """Build the arrays of a market and the requested pools."""
        tables = (market.advisor, market.prices, market.on_demand)
        regions = _distinct([pool.region for pool in pools], [frame["region"] for frame in tables])
        types = _distinct(
            [pool.instance_type for pool in pools],
            [frame["instance_type"] for frame in (*tables, market.specs)],
        )
        rows, columns = pd.Index(sorted(regions)), pd.Index(sorted(types, key=_by_family))
        return cls(
            market=market,
            pools=tuple(pools),
            regions=rows,
            types=columns,
            region=_places([pool.region for pool in pools], rows),
            type_=_places([pool.instance_type for pool in pools], columns),
            linux=np.array([pool.operating_system == LINUX for pool in pools], dtype=bool),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(R, T)."""
        return len(self.regions), len(self.types)

    @property
    def size(self) -> int:
        """R × T."""
        return len(self.regions) * len(self.types)

    @cached_property
    def type_names(self) -> list[TypeName | None]:
        """Parsed name of each type; None if it cannot be parsed."""
        return [_parsed(name) for name in self.types]

    @cached_property
    def listed(self) -> NDArray[np.bool_]:
        """(T,) True for types in the market, False for types that were only requested."""
        listed = np.zeros(len(self.types) + 1, dtype=bool)
        for frame in (self.market.specs, self.market.advisor, self.market.prices):
            listed[codes(frame["instance_type"], self.types)] = True
        return listed[:-1]

    @cached_property
    def family(self) -> Ints:
        """(T,) number of each type's family, in rising order."""
        return pd.factorize(np.array([family_of(name) for name in self.types], dtype=object))[0]

    @cached_property
    def family_starts(self) -> Ints:
        """(F,) first column of each family."""
        return np.flatnonzero(np.diff(self.family, prepend=-1))

    def cells(self, frame: pd.DataFrame) -> Ints:
        """(rows,) index of each row in the flattened (R, T) matrix; -1 outside of it."""
        row, column = (
            codes(frame["region"], self.regions),
            codes(frame["instance_type"], self.types),
        )
        return np.where((row >= 0) & (column >= 0), row * len(self.types) + column, -1)

    def matrix(self, cells: Ints, values: Floats) -> Floats:
        """(R, T) with one value in each cell, NaN elsewhere."""
        flat = np.full(self.size, np.nan)
        flat[cells] = values
        return flat.reshape(self.shape)

    def at_pools(self, matrix: Floats) -> Floats:
        """(n,) the matrix at each pool's region and type; NaN for a pool that is not Linux."""
        return np.where(self.linux, matrix[self.region, self.type_], np.nan)

    def of_types(self, name: str) -> Floats:
        """(T,) a column of the specifications, NaN if unknown."""
        specs = self.market.specs
        values = np.full(len(self.types), np.nan)
        values[codes(specs["instance_type"], self.types)] = specs[name].to_numpy(dtype=np.float64)
        return values

    def family_sum(self, matrix: Floats) -> Floats:
        """(R, T) sum over the type's family in the region."""
        if not matrix.size:
            return matrix
        return np.add.reduceat(matrix, self.family_starts, axis=1)[:, self.family]

    @cached_property
    def price_cells(self) -> Ints:
        """(rows,) cell of each row of `market.prices`."""
        return self.cells(self.market.prices)

    @cached_property
    def zones(self) -> pd.Index:
        """Zone names, "-" for the region-level price."""
        requested = [pool.availability_zone or REGION_LEVEL for pool in self.pools]
        return pd.Index(sorted(_distinct(requested, [zone_names(self.market.prices)])))

    def pool_keys(self, frame: pd.DataFrame) -> Ints:
        """(rows,) number of each row's pool; -1 if its region, type or zone is unknown here."""
        cell, zone = self.cells(frame), zone_codes(frame, self.zones)
        return np.where((cell >= 0) & (zone >= 0), cell * len(self.zones) + zone, -1)

    @cached_property
    def requested_keys(self) -> Ints:
        """(n,) number of each requested pool, as in `pool_keys`; -2 if it is not Linux."""
        zone = _places([pool.availability_zone or REGION_LEVEL for pool in self.pools], self.zones)
        cell = self.region * len(self.types) + self.type_
        return np.where(self.linux, cell * len(self.zones) + zone, -2)

    @cached_property
    def price(self) -> Floats:
        """(n,) newest spot price of each pool, USD per hour."""
        row = self.price_row
        prices = self.market.prices["spot_price_usd_per_hour"].to_numpy(dtype=np.float64)
        return np.where(row >= 0, np.append(prices, np.nan)[row], np.nan)

    @cached_property
    def price_row(self) -> Ints:
        """(n,) each pool's row in `market.prices`; -1 if it has none."""
        known = self.pool_keys(self.market.prices)
        return pd.Index(known).get_indexer(pd.Index(self.requested_keys)).astype(np.int64)

    @cached_property
    def cheapest(self) -> Floats:
        """(R, T) lowest price over the zones, which is also the price in the public feed."""
        flat = np.full(self.size, np.nan)
        prices = self.market.prices["spot_price_usd_per_hour"].to_numpy(dtype=np.float64)
        np.fmin.at(flat, self.price_cells, prices)
        return flat.reshape(self.shape)

    @cached_property
    def on_demand(self) -> Floats:
        """(R, T) on-demand price, USD per hour."""
        frame = self.market.on_demand
        prices = frame["on_demand_price_usd_per_hour"].to_numpy(dtype=np.float64)
        return self.matrix(self.cells(frame), prices)

    @cached_property
    def position(self) -> Floats:
        """(R, T) cheapest spot price as a share of on-demand."""
        return ratio(self.cheapest, self.on_demand)

    def age_h(self, times: pd.Series) -> Floats:
        """(rows,) hours between each time and `as_of`; negative in the future."""
        return np.asarray((to_micros(self.market.as_of) - ticks(times)) / _HOUR_US)


def codes(column: pd.Series, vocabulary: pd.Index) -> Ints:
    """(rows,) index of each text in the vocabulary, -1 if it is not in it."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        number, distinct = column.cat.codes.to_numpy(), pd.Index(column.cat.categories)
    else:
        number, names = column.factorize()
        distinct = pd.Index(names)
    place = vocabulary.get_indexer(distinct.astype(vocabulary.dtype))
    return np.asarray(np.append(place, -1)[number], dtype=np.int64)


def zone_codes(frame: pd.DataFrame, vocabulary: pd.Index) -> Ints:
    """(rows,) index of each row's zone in the vocabulary, which has "-" for the region."""
    number = codes(frame["availability_zone"], vocabulary)
    region_level = frame["availability_zone"].isna().to_numpy()
    if region_level.any():
        number[region_level] = vocabulary.get_indexer(pd.Index([REGION_LEVEL]))[0]
    return number


def zone_names(frame: pd.DataFrame) -> pd.Series:
    """The zones of a price table, "-" for a region-level price."""
    return frame["availability_zone"].astype("str").fillna(REGION_LEVEL)


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Elementwise quotient; NaN if a value is unknown or the denominator is not positive."""
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    return np.asarray(
        np.divide(numerator, denominator, out=np.full(shape, np.nan), where=denominator > 0.0)
    )


def tally(cells: Ints, size: int, weights: Floats | None = None) -> Floats:
    """(size,) number of rows in each cell, or the sum of their weights."""
    return np.asarray(np.bincount(cells, weights=weights, minlength=size), dtype=np.float64)


def mean_of_others(total: Floats, count: Floats, own: Floats) -> Floats:
    """Mean of a group without one member; NaN if no other member is known."""
    known = np.isfinite(own)
    return ratio(total - np.where(known, own, 0.0), count - known)


def _places(names: Sequence[str], vocabulary: pd.Index) -> Ints:
    """(n,) index of each name in the vocabulary, which has all of them."""
    places = {name: place for place, name in enumerate(vocabulary)}
    return np.fromiter((places[name] for name in names), np.int64, len(names))


def _distinct(names: Sequence[str], columns: Sequence[pd.Series]) -> set[str]:
    return set(names).union(*(column.dropna().unique() for column in columns))


def _by_family(instance_type: str) -> tuple[str, str]:
    return family_of(instance_type), instance_type


def _parsed(instance_type: str) -> TypeName | None:
    try:
        return parse_type(instance_type)
    except ValueError:
        return None
