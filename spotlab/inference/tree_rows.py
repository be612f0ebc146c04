"""Rows that reach the leaves of a model's trees."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.inference.tree_structure import CATEGORICAL, DEFAULT_LEFT
from spotlab.inference.tree_text import Tree

UNBOUNDED: Final = 1000.0
"""How far beyond its other bound a column is drawn that is not bounded."""
_ZERO: Final = float(np.float32(1e-35))
"""LightGBM takes what is no farther than this from 0 for 0."""
_ZERO_IS_UNKNOWN: Final = 1
_NAN_IS_UNKNOWN: Final = 2
_CATEGORIES_TRIED: Final = 64
_Way = list[tuple[int, bool]]
"""Inner nodes from the root, and whether it goes left there."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a column may hold.

    Args:
        low, high: smallest and largest value; infinite where there is none.
        nullable: whether it may be NaN.
    """

    low: float
    high: float
    nullable: bool


def goes_left(tree: Tree, node: int, value: float) -> bool:
    """Whether LightGBM takes the left way at an inner node.

    Args:
        tree, node: a proved tree, and an inner node of it.
        value: of the column that the node asks for.
    """
    kind, threshold = tree.decision_type[node], tree.threshold[node]
    if abs(value) <= _ZERO:
        value = 0.0
    if kind & CATEGORICAL:
        return _in_categories(tree, int(threshold), value)
    unknown = kind >> 2
    if math.isnan(value) and unknown != _NAN_IS_UNKNOWN:
        value = 0.0
    if math.isnan(value) or (unknown == _ZERO_IS_UNKNOWN and value == 0.0):
        return bool(kind & DEFAULT_LEFT)
    return value <= threshold


def _in_categories(tree: Tree, number: int, value: float) -> bool:
    if not -1.0 < value < 2**31:
        return False
    word, bit = divmod(int(value), 32)
    begin, end = tree.cat_boundaries[number : number + 2]
    return word < end - begin and bool(tree.cat_threshold[begin + word] >> bit & 1)


def leaf_rows(
    trees: Sequence[Tree], columns: Sequence[Bounds], most: int, seed: int
) -> NDArray[np.float64]:
    """A row for each leaf that a row within the bounds can reach.

    So for each split there are rows on both its sides, if there can be.

    Args:
        trees: proved.
        columns: what each of the f columns may hold.
        most: of so many leaves at most, spread evenly over all.
        seed: of the columns that a leaf does not ask for.
    Returns:
        (n, f) rows, n up to `most`.
    """
    total = sum(len(tree.leaf_value) for tree in trees)
    step = max(1, math.ceil(total / most))
    base = draw_rows(columns, len(range(0, total, step)), seed)
    rows = []
    ways = (way for tree in trees for way in _ways(tree))
    for number, (tree, way) in enumerate(ways):
        if number % step == 0 and (found := _values(tree, way, columns)) is not None:
            row = base[number // step]
            for column, value in found.items():
                row[column] = value
            rows.append(row)
    return np.array(rows).reshape(len(rows), len(columns))


def draw_rows(columns: Sequence[Bounds], count: int, seed: int) -> NDArray[np.float64]:
    """Rows within the bounds; in the second half, what may be unknown often is.

    Args:
        columns: what each of the f columns may hold.
        count: how many rows.
        seed: of the numbers.
    Returns:
        (count, f) float64.
    """
    rng = np.random.default_rng(seed)
    rows = np.empty((count, len(columns)))
    late = np.arange(count) >= count // 2
    for number, column in enumerate(columns):
        low, high = _drawn_between(column)
        share = rng.random(count)
        rows[:, number] = np.clip((1.0 - share) * low + share * high, low, high)
        if column.nullable:
            rows[late & (rng.random(count) < 0.5), number] = np.nan
    return rows


def _drawn_between(column: Bounds) -> tuple[float, float]:
    low, high = column.low, column.high
    if math.isinf(low):
        low = -UNBOUNDED if math.isinf(high) else high - UNBOUNDED
    return low, low + UNBOUNDED if math.isinf(high) else high


def _ways(tree: Tree) -> Iterator[tuple[Tree, _Way]]:
    """The way to each leaf."""
    if not tree.left_child:
        yield tree, []
        return
    open_ways: list[tuple[int, _Way]] = [(0, [])]
    while open_ways:
        node, way = open_ways.pop()
        for child, left in ((tree.left_child[node], True), (tree.right_child[node], False)):
            longer = [*way, (node, left)]
            if child >= 0:
                open_ways.append((child, longer))
            else:
                yield tree, longer


def _values(tree: Tree, way: _Way, columns: Sequence[Bounds]) -> dict[int, float] | None:
    """A value for each column that a way asks for; None where no value takes it."""
    asked: dict[int, _Way] = {}
    for node, left in way:
        asked.setdefault(tree.split_feature[node], []).append((node, left))
    found = {}
    for column, turns in asked.items():
        for value in _candidates(tree, turns, columns[column]):
            if all(goes_left(tree, node, value) == left for node, left in turns):
                found[column] = value
                break
        else:
            return None
    return found


def _candidates(tree: Tree, turns: _Way, column: Bounds) -> Iterator[float]:
    """Values within the bounds among which is one that takes the turns, if there is any."""
    low, high = column.low, column.high
    categories: list[float] = []
    for node, left in turns:
        threshold = tree.threshold[node]
        if tree.decision_type[node] & CATEGORICAL:
            categories += _some_categories(tree, int(threshold))
        elif left:
            high = min(high, threshold)
        else:
            low = max(low, math.nextafter(threshold, math.inf))
    near = (high - 1.0, low + 1.0, low / 2 + high / 2, low, high, 0.0, -1.0)
    for value in (*near, *categories):
        if column.low <= value <= column.high and math.isfinite(value):
            yield value
    if column.nullable:
        yield math.nan


def _some_categories(tree: Tree, number: int) -> list[float]:
    """Categories of a set, and what follows each of them."""
    begin, end = tree.cat_boundaries[number : number + 2]
    found = [
        32.0 * word + bit
        for word in range(min(end - begin, _CATEGORIES_TRIED))
        for bit in range(32)
        if tree.cat_threshold[begin + word] >> bit & 1
    ][:_CATEGORIES_TRIED]
    return [*found, *(value + 1.0 for value in found), 32.0 * (end - begin)]
