"""A MarketData as arrays, from which all features are computed.

There are about 33 regions and 1,400 instance types, so values per (region, type) are a dense matrix
with regions as rows and types as columns, NaN if unknown. Types are sorted by family, so that sums
over families are one `reduceat`.

Names are numbers (`Texts`, `Vocabulary`) that are made once: a market whose prices have changed
has the same names, and only its numbers are computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotlab.domain.coded_texts import Texts
from spotlab.domain.instance_types import TypeName, family_of, parse_type
from spotlab.domain.market import LINUX, REGION_LEVEL, MarketData, Pool
from spotlab.features.canonical_tables import ticks, to_micros
from spotlab.features.table_cache import TableCache

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Features = Mapping[str, Floats]
_HOUR_US = 3_600_000_000
_UNCHANGED: Final = TableCache(8)
"""`Panel.unchanged`: four functions, of two markets."""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Distinct names in order.

    Args:
        names: the names.
    """

    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Position of each name."""
        return {name: place for place, name in enumerate(self.names)}

    @cached_property
    def parsed(self) -> tuple[TypeName | None, ...]:
        """Each name as that of an instance type; None if it cannot be parsed."""
        return tuple(_parsed(name) for name in self.names)

    @cached_property
    def family(self) -> Ints:
        """Number of each type's family, in rising order."""
        return pd.factorize(np.array([family_of(name) for name in self.names], dtype=object))[0]

    @cached_property
    def series(self) -> Ints:
        """Number of each type's series (m of m7gd.large); types without one are one group."""
        names = [name.series if name else "" for name in self.parsed]
        return pd.factorize(np.array(names, dtype=object))[0].astype(np.int64)


@dataclass(frozen=True)
class Panel:
    """The requested pools and the whole market as arrays.

    Args:
        market: the market.
        pools: n pools to compute features of.
        regions: R names, sorted.
        types: T names, sorted by family, then name.
        zones: names, sorted; "-" for the region-level price.
        cell: (n,) index of each pool's region and type in the flattened (R, T) matrix.
        type_: (n,) column of each pool's type.
        zone: (n,) index of each pool's zone.
        linux: (n,) whether the pool is Linux; a MarketData has no data of other systems.
    """

    market: MarketData
    pools: tuple[Pool, ...]
    regions: Vocabulary
    types: Vocabulary
    zones: Vocabulary
    cell: Ints
    type_: Ints
    zone: Ints
    linux: NDArray[np.bool_]
    _texts: tuple[Texts, ...] | None = None

    @classmethod
    def of(cls, market: MarketData, pools: Sequence[Pool] | None = None) -> Panel:
        """Build the arrays of a market and the requested pools; None: every pool with a price."""
        if pools is None:
            prices = market.prices
            names = ("region", "instance_type", "availability_zone", "operating_system")
            region, type_, zone, system = (Texts.of(prices[name]) for name in names)
            wanted = market.pool_tuple()
        else:
            region = _texts(pool.region for pool in pools)
            type_ = _texts(pool.instance_type for pool in pools)
            zone = _texts(pool.availability_zone or REGION_LEVEL for pool in pools)
            system = _texts(pool.operating_system for pool in pools)
            wanted = tuple(pools)
        tables = (market.advisor, market.prices, market.on_demand)
        listed = [Texts.of(frame["region"]).names for frame in tables]
        typed = [Texts.of(frame["instance_type"]).names for frame in (*tables, market.specs)]
        zoned = Texts.of(market.prices["availability_zone"]).names
        texts = [Texts.of(frame[name]) for frame in tables for name in ("region", "instance_type")]
        regions, types = _sorted(region.names, *listed), _by_family(type_.names, *typed)
        zones = _sorted(zone.names, zoned, (REGION_LEVEL,))
        columns = _places(types, type_)
        return cls(
            market=market,
            pools=wanted,
            regions=regions,
            types=types,
            zones=zones,
            cell=_cells(regions, types, region, type_),
            type_=columns,
            zone=_places(zones, zone, zones.places[REGION_LEVEL]),
            linux=system.equal_to_any((LINUX,)),
            _texts=(region, type_, system, *texts) if pools is None else None,
        )

    def unchanged(
        self, table: pd.DataFrame, columns: Sequence[str], compute: Callable[[Panel], Features]
    ) -> Features:
        """Features that depend on nothing but one table and the market's names.

        They are kept until one of them changes, if the pools are all that have a price.

        Args:
            table: of the market.
            columns: its columns that the features depend on, besides region and type.
            compute: a function of a module.
        """
        if self._texts is None:
            return compute(self)
        names = [name for name in ("region", "instance_type") if name in table]
        numbers = blake2b(digest_size=16)
        texts = [Texts.of(table[name]) for name in names]
        for name in columns:
            if isinstance(table[name].dtype, np.dtype) and table[name].dtype != object:
                numbers.update(table[name].to_numpy().tobytes())
            else:
                texts.append(Texts.of(table[name]))
        key = (compute, self.regions, self.types, *self._texts, *texts, numbers.digest())
        return _UNCHANGED.get_or_build(key, lambda: compute(self))

    @property
    def shape(self) -> tuple[int, int]:
        """(R, T)."""
        return len(self.regions), len(self.types)

    @property
    def size(self) -> int:
        """R × T."""
        return len(self.regions) * len(self.types)

    @cached_property
    def listed(self) -> NDArray[np.bool_]:
        """(T,) True for types in the market, False for types that were only requested."""
        listed = np.zeros(len(self.types) + 1, dtype=bool)
        for frame in (self.market.specs, self.market.advisor, self.market.prices):
            listed[self.columns(frame)] = True
        return listed[:-1]

    @cached_property
    def family_starts(self) -> Ints:
        """(F,) first column of each family."""
        return np.flatnonzero(np.diff(self.types.family, prepend=-1))

    def columns(self, frame: pd.DataFrame) -> Ints:
        """(rows,) column of each row's type; -1 if it is not in the market."""
        return _places(self.types, Texts.of(frame["instance_type"]))

    def cells(self, frame: pd.DataFrame) -> Ints:
        """(rows,) index of each row in the flattened (R, T) matrix; -1 outside of it."""
        region, type_ = frame["region"], frame["instance_type"]
        if isinstance(region.dtype, pd.CategoricalDtype):
            rows, columns = _of_column(self.regions, region), _of_column(self.types, type_)
            return _in_matrix(rows, columns, len(self.types))
        return _cells(self.regions, self.types, Texts.of(region), Texts.of(type_))

    @property
    def region(self) -> Ints:
        """(n,) row of each pool's region."""
        return self.cell // max(len(self.types), 1)

    def matrix(self, cells: Ints, values: Floats) -> Floats:
        """(R, T) with one value in each cell, NaN elsewhere."""
        flat = np.full(self.size, np.nan)
        flat[cells] = values
        return flat.reshape(self.shape)

    def at_pools(self, matrix: Floats) -> Floats:
        """(n,) the matrix at each pool's region and type; NaN for a pool that is not Linux."""
        return self.of_linux(np.take(matrix, self.cell))

    def of_linux(self, values: Floats) -> Floats:
        """(n,) the values, NaN for pools that are not Linux."""
        return values if self._all_linux else np.where(self.linux, values, np.nan)

    @cached_property
    def _all_linux(self) -> bool:
        return bool(self.linux.all())

    def of_types(self, name: str) -> Floats:
        """(T,) a column of the specifications, NaN if unknown."""
        specs = self.market.specs
        values = np.full(len(self.types), np.nan)
        values[self.columns(specs)] = specs[name].to_numpy(dtype=np.float64)
        return values

    @cached_property
    def vcpu(self) -> Floats:
        """(T,) virtual CPUs."""
        return self.of_types("vcpu")

    def family_sum(self, matrix: Floats) -> Floats:
        """(R, T) sum over the type's family in the region."""
        if not matrix.size:
            return matrix
        return np.add.reduceat(matrix, self.family_starts, axis=1)[:, self.types.family]

    @cached_property
    def price_cells(self) -> Ints:
        """(rows,) cell of each row of `market.prices`."""
        return self.cells(self.market.prices)

    def pool_keys(self, frame: pd.DataFrame) -> Ints:
        """(rows,) number of each row's pool; -1 if its region, type or zone is unknown here."""
        return self.key_of(self.cells(frame), self.zone_codes(frame))

    def zone_codes(self, frame: pd.DataFrame) -> Ints:
        """(rows,) index of each row's zone, and of "-" for a region-level price; -1: unknown."""
        zone, of_region = frame["availability_zone"], self.zones.places[REGION_LEVEL]
        return _of_column(self.zones, zone, of_region)

    def key_of(self, cell: Ints, zone: Ints) -> Ints:
        """(rows,) number of the pool in this cell and zone; -1 if one of them is."""
        return np.where((cell >= 0) & (zone >= 0), cell * len(self.zones) + zone, -1)

    @cached_property
    def requested_keys(self) -> Ints:
        """(n,) number of each requested pool, as in `pool_keys`; -2 if it is not Linux."""
        return np.where(self.linux, self.cell * len(self.zones) + self.zone, -2)

    @cached_property
    def price(self) -> Floats:
        """(n,) newest spot price of each pool, USD per hour."""
        row = self.price_row
        prices = self.market.prices["spot_price_usd_per_hour"].to_numpy(dtype=np.float64)
        return np.where(row >= 0, np.append(prices, np.nan)[row], np.nan)

    @cached_property
    def price_row(self) -> Ints:
        """(n,) each pool's row in `market.prices`; -1 if it has none."""
        known = pd.Index(self.pool_keys(self.market.prices))
        if known.is_unique and np.array_equal(known, self.requested_keys):
            return np.arange(len(known), dtype=np.int64)
        return known.get_indexer(pd.Index(self.requested_keys)).astype(np.int64)

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


def _texts(names: Iterable[str]) -> Texts:
    codes: dict[str, int] = {}
    column = [codes.setdefault(name, len(codes)) for name in names]
    return Texts(np.array(column, dtype=np.intp), tuple(codes))


@lru_cache(maxsize=16)
def _places(vocabulary: Vocabulary, texts: Texts, unknown: int = -1) -> Ints:
    return texts.places_in(vocabulary.places, unknown)


def _of_column(vocabulary: Vocabulary, column: pd.Series, unknown: int = -1) -> Ints:
    """(rows,) the place of each name of a column, whether its names are codes or texts."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return _places(vocabulary, Texts.of(column), unknown)
    places = _places(vocabulary, Texts.of(column.cat.categories))
    return np.append(places, unknown)[column.cat.codes.to_numpy()]


@lru_cache(maxsize=16)
def _cells(regions: Vocabulary, types: Vocabulary, region: Texts, type_: Texts) -> Ints:
    return _in_matrix(_places(regions, region), _places(types, type_), len(types))


def _in_matrix(row: Ints, column: Ints, width: int) -> Ints:
    return np.where((row >= 0) & (column >= 0), row * width + column, -1)


@lru_cache(maxsize=16)
def _sorted(*names: tuple[str, ...]) -> Vocabulary:
    return Vocabulary(tuple(sorted(set().union(*names))))


@lru_cache(maxsize=8)
def _by_family(*names: tuple[str, ...]) -> Vocabulary:
    """Instance types by family, then name."""
    types: set[str] = set().union(*names)
    return Vocabulary(tuple(sorted(types, key=lambda name: (family_of(name), name))))


def _parsed(instance_type: str) -> TypeName | None:
    try:
        return parse_type(instance_type)
    except ValueError:
        return None
