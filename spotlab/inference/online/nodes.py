"""Nodes at which weights are learnt: the task, a region, a family in it, a pool; each by horizon.

A row belongs to one node of each level, twice: once together with every other horizon, and once
with its own horizon only. A short horizon's outcome is known early, so that it can tell which
expert to trust at a long one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.errors import InvalidInput

IntArray = NDArray[np.intp]

LEVELS: Final = ("task", "region", "family", "pool")
"""From the root down; a family is that of one region."""
TASK: Final = "task"
"""Name of the root."""
ASLEEP: Final = -1
"""Node of a level that a row does not belong to, such as an unknown region."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pool stands; "" is unknown."""

    region: str
    family: str
    pool: str


@dataclass(frozen=True, slots=True)
class NodeTree:
    """The nodes of p pools at each of h horizons.

    Args:
        names: (m,) of the nodes, such as "region us-east-1".
        of_pool: (p, 4) node of each pool at each of LEVELS, or ASLEEP.
        horizons_h: horizons with nodes of their own, increasing.
    """

    names: tuple[str, ...]
    of_pool: IntArray
    horizons_h: tuple[float, ...]

    @classmethod
    def of(cls, places: Sequence[Place], horizons_h: Sequence[float]) -> NodeTree:
        """The tree of some pools.

        Raises:
            InvalidInput: there is no horizon, or two pools have the same name.

        >>> NodeTree.of([Place("eu-west-1", "m5", "a"), Place("", "", "b")], [1.0]).of_pool.tolist()
        [[0, 1, 2, 3], [0, -1, -1, 4]]
        """
        names = [place.pool for place in places]
        if len(set(names)) != len(names):
            duplicate = next(name for name in names if names.count(name) > 1)
            raise InvalidInput(
                f"Two pools are named {duplicate!r}.", remedy="Give each pool a different name."
            )
        horizons = tuple(sorted({float(horizon_h) for horizon_h in horizons_h}))
        if not horizons:
            raise InvalidInput("There is no horizon.", remedy="Enter at least one horizon.")
        numbers: dict[str, int] = {}
        of_pool = _node_numbers(places, lambda name: numbers.setdefault(name, len(numbers)))
        return cls(tuple(numbers) or (TASK,), of_pool, horizons)

    def at(self, places: Sequence[Place]) -> NodeTree:
        """The same nodes for other pools; a pool has no node of a level that is not in the tree.

        >>> tree = NodeTree.of([Place("eu-west-1", "m5", "a")], [1.0])
        >>> tree.at([Place("eu-west-1", "c5", "b")]).of_pool.tolist()
        [[0, 1, -1, -1]]
        """
        numbers = {name: number for number, name in enumerate(self.names)}
        of_pool = _node_numbers(places, lambda name: numbers.get(name, ASLEEP))
        return NodeTree(self.names, of_pool, self.horizons_h)

    @property
    def count(self) -> int:
        """Number of nodes, those of each horizon included."""
        return len(self.names) * (1 + len(self.horizons_h))

    @property
    def columns(self) -> int:
        """Number of nodes that a row belongs to, at most."""
        return len(LEVELS) * 2

    def rows(self, pool: IntArray, horizon_h: NDArray[np.float64]) -> IntArray:
        """(n, 8) nodes of rows: of all horizons, then of the row's horizon; ASLEEP where none.

        Args:
            pool: (n,) number of each row's pool.
            horizon_h: (n,) horizon of each row, one of the tree's.
        Raises:
            InvalidInput: a horizon has no nodes.
        """
        horizons = np.array(self.horizons_h)
        number = np.searchsorted(horizons, horizon_h).clip(max=len(horizons) - 1)
        unknown = horizons[number] != horizon_h
        if unknown.any():
            raise InvalidInput(
                f"A horizon of {horizon_h[unknown][0]:g} h has no weights.",
                remedy=f"Use one of {', '.join(f'{each:g}' for each in horizons)} h.",
            )
        shared = self.of_pool[pool]
        own = np.where(shared == ASLEEP, ASLEEP, shared + (1 + number[:, None]) * len(self.names))
        return np.concatenate([shared, own], axis=1)


def _node_numbers(places: Sequence[Place], number: Callable[[str], int]) -> IntArray:
    """(p, 4) nodes of pools, by the numbers of names; the task's is asked for first."""
    of_pool = np.full((len(places), len(LEVELS)), ASLEEP, dtype=np.intp)
    for row, place in enumerate(places):
        of_pool[row, 0] = number(TASK)
        if place.region:
            of_pool[row, 1] = number(f"region {place.region}")
        if place.family:
            of_pool[row, 2] = number(f"family {place.family} {place.region}".rstrip())
        of_pool[row, 3] = number(f"pool {place.pool}")
    return of_pool
