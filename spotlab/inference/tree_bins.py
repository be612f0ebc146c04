"""Bins of a tree model's columns: values between which no tree distinguishes.

All values between two neighbouring thresholds of a column take the same branch at every node, so a
value is replaced by the number of its bin once, and the trees only see bins. Categories have a bin
each, and NaN and 0 have bins of their own where a node treats them differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotlab.inference.tree_rows import ZERO_IS_UNKNOWN, goes_left
from spotlab.inference.tree_structure import CATEGORICAL
from spotlab.inference.tree_text import Tree

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CELLS: Final = 512
"""Cells of the table in which a value's bin is looked up."""
FEW, LOOKED_UP, BISECTED, CATEGORIES, UNUSED = range(5)
"""How a column's bins are found."""
_FEW_THRESHOLDS: Final = 4
_MOST_STEPS: Final = 6


class Bins(NamedTuple):
    """Bins of f columns, numbered from `first[column]`; two of each column's are for NaN and 0.

    Args:
        kind: (f,) how they are found.
        starts: (f + 1,) first threshold of each column.
        thresholds: increasing in each column, followed by infinity; a bin holds the values above
            one and up to the next. For categories: their number.
        first: (f + 1,) number of each column's first bin.
        low, scale: (f,) a value's cell is (value - low) × scale.
        cells: (f, CELLS + 1) bin of the smallest value of a cell.
        steps: (f,) largest number of thresholds in one cell.
        ordinary: (f,) number of bins without those of NaN and 0.
        unknown, zero: (f,) bin of NaN, and of 0; ordinary ones if no node treats them differently.
    """

    kind: Ints
    starts: Ints
    thresholds: Floats
    first: Ints
    low: Floats
    scale: Floats
    cells: NDArray[np.int32]
    steps: Ints
    ordinary: Ints
    unknown: Ints
    zero: Ints


class Column:
    """One column while its bins are built.

    Args:
        number: of the column.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.categories = 0
        self.thresholds: Floats = np.empty(0)
        self._found: set[float] = set()
        self._has_categories = False
        self._missing: set[int] = set()

    def add(self, tree: Tree, node: int) -> None:
        """Take a node's threshold or categories into account."""
        if tree.decision_type[node] & CATEGORICAL:
            self._has_categories = True
            begin, end = _category_words(tree, node)
            self.categories = max(self.categories, 32 * (end - begin))
        else:
            self._found.add(tree.threshold[node])
            self._missing.add(tree.decision_type[node] >> 2)

    @property
    def mixed(self) -> bool:
        return self._has_categories and bool(self._found)

    def finish(self) -> None:
        """Sort the thresholds."""
        self.thresholds = np.array(sorted(self._found))

    @property
    def used(self) -> bool:
        return self._has_categories or len(self.thresholds) > 0

    @property
    def ordinary(self) -> int:
        """Number of bins without those of NaN and 0."""
        return self.categories + 1 if self._has_categories else len(self.thresholds) + 1

    @property
    def bins(self) -> int:
        return self.ordinary + 2

    @property
    def zero(self) -> int:
        """Bin of 0, which has one of its own if some node takes 0 for an unknown value."""
        if self._has_categories:
            return 0
        if ZERO_IS_UNKNOWN in self._missing:
            return self.ordinary + 1
        return int(np.searchsorted(self.thresholds, 0.0))

    @property
    def unknown(self) -> int:
        """Bin of NaN, which has one of its own unless every node takes NaN for 0."""
        if self._has_categories:
            return self.categories
        return self.ordinary if self._missing - {0} else self.zero

    def left(self, tree: Tree, node: int) -> NDArray[np.bool_]:
        """(bins,) whether each bin goes left at a node of this column."""
        left = np.zeros(self.bins, dtype=np.bool_)
        if self._has_categories:
            begin, end = _category_words(tree, node)
            words = np.array(tree.cat_threshold[begin:end], dtype="<u4")
            bits = np.unpackbits(words.view(np.uint8), bitorder="little")
            left[: len(bits)] = bits.astype(np.bool_)
            left[self.ordinary + 1] = left[0]
            return left  # of NaN: False
        position = np.searchsorted(self.thresholds, tree.threshold[node])
        left[: position + 1] = True
        left[self.ordinary :] = goes_left(tree, node, np.nan), goes_left(tree, node, 0.0)
        return left


def _category_words(tree: Tree, node: int) -> tuple[int, int]:
    number = int(tree.threshold[node])
    return tree.cat_boundaries[number], tree.cat_boundaries[number + 1]


def bins_of(columns: Sequence[Column]) -> Bins:
    count = len(columns)
    kind, steps = np.full(count, UNUSED), np.zeros(count, dtype=np.int64)
    low, scale = np.zeros(count), np.zeros(count)
    cells = np.zeros((count, CELLS + 1), dtype=np.int32)
    thresholds: list[Floats] = []
    for number, column in enumerate(columns):
        own = column.thresholds
        if column.categories:
            kind[number] = CATEGORIES
            thresholds.append(np.array([float(column.categories)]))
            continue
        thresholds.append(np.append(own, np.inf))
        if not len(own):
            continue
        finite = own[np.isfinite(own)]
        if len(finite):
            low[number] = finite[0]
            scale[number] = _cells_per_unit(float(finite[-1] - finite[0]))
        of_threshold = np.full(len(own), CELLS)
        of_threshold[: len(finite)] = np.minimum((finite - low[number]) * scale[number], CELLS)
        cells[number] = np.searchsorted(of_threshold, np.arange(CELLS + 1))
        steps[number] = np.bincount(of_threshold).max()
        kind[number] = (
            FEW
            if len(own) <= _FEW_THRESHOLDS
            else LOOKED_UP
            if steps[number] <= _MOST_STEPS
            else BISECTED
        )
    return Bins(
        kind=kind,
        starts=np.cumsum([0, *(len(each) for each in thresholds)]),
        thresholds=np.concatenate(thresholds),
        first=np.cumsum([0, *(column.bins for column in columns)]),
        low=low,
        scale=scale,
        cells=cells,
        steps=steps,
        ordinary=np.array([column.ordinary for column in columns]),
        unknown=np.array([column.unknown for column in columns]),
        zero=np.array([column.zero for column in columns]),
    )


def _cells_per_unit(span: float) -> float:
    """Cells per unit of a column's values; 0, so that all are in one, if that is not finite."""
    factor = CELLS / span if 0.0 < span < np.inf else 0.0
    return factor if np.isfinite(factor) else 0.0
