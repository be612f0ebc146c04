"""The definition of a feature, and a matrix of features by pool and name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.market import FeedKind, Pool

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Feature:
    """The definition of a feature, for the model card, the screens and the checks.

    Args:
        name: of the column.
        meaning: one sentence with the formula.
        unit: such as "USD/h", "share", "h", "count"; "1" for a plain number.
        source: the feeds it is computed from.
        ttl_s: age beyond which the value is stale, seconds.
        missing: text that says when the value is unknown (NaN).
        low: smallest valid value.
        high: largest valid value.
    """

    name: str
    meaning: str
    unit: str
    source: tuple[FeedKind, ...]
    ttl_s: float
    missing: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class FeatureFrame:
    """Features of many pools at one time.

    Args:
        as_of: aware UTC.
        pools: n pools; row i of `values` is pools[i].
        names: f feature names, in column order.
        values: (n, f) float64; NaN is unknown.
    """

    as_of: datetime
    pools: tuple[Pool, ...]
    names: tuple[str, ...]
    values: Matrix
    _rows: dict[Pool, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    def position(self, pool: Pool) -> int:
        """Row of a pool in `values`.

        Raises:
            KeyError: no such pool.
        """
        if not self._rows:
            self._rows.update({each: row for row, each in reversed([*enumerate(self.pools)])})
        if pool not in self._rows:
            raise KeyError(pool.key)
        return self._rows[pool]

    def column(self, name: str) -> Matrix:
        """One feature of every pool, (n,).

        Raises:
            KeyError: no such feature.
        """
        if name not in self.names:
            raise KeyError(name)
        return self.values[:, self.names.index(name)]

    def select(self, names: Sequence[str]) -> Matrix:
        """The (n, len(names)) matrix of these features, in this order.

        Raises:
            KeyError: a feature is not in the frame.
        """
        return np.ascontiguousarray(self.values.T[self._columns(names)].T)

    def rows(self, positions: Sequence[int], names: Sequence[str]) -> Matrix:
        """The (len(positions), len(names)) part of `select` for some rows.

        Raises:
            KeyError: a feature is not in the frame.
        """
        return self.values[np.ix_(positions, self._columns(names))]

    def _columns(self, names: Sequence[str]) -> list[int]:
        missing = [name for name in names if name not in self.names]
        if missing:
            raise KeyError(", ".join(missing))
        return [self.names.index(name) for name in names]

    def row(self, pool: Pool) -> dict[str, float]:
        """One pool's features by name.

        Raises:
            KeyError: no such pool.
        """
        values = self.values[self.position(pool)]
        return {name: float(value) for name, value in zip(self.names, values, strict=True)}
