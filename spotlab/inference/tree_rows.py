"""Input rows that reach the leaves of a model's trees."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.inference.tree_structure import CATEGORICAL, DEFAULT_LEFT
from spotlab.inference.tree_text import Tree

UNBOUNDED_SPAN: Final = 1000.0
"""Width of the range from which the values of an unbounded column are drawn."""
_ZERO: Final = float(np.float32(1e-35))
"""LightGBM treats absolute values up to this as 0."""
ZERO_IS_UNKNOWN: Final = 1
_NAN_IS_UNKNOWN: Final = 2
_MAX_CATEGORIES: Final = 64
_Path = list[tuple[int, bool]]
"""Inner nodes from the root, and whether the path goes left at each."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of a column.

    Args:
        low, high: smallest and largest value; infinite if unbounded.
        nullable: whether it may be NaN.
    """

    low: float
    high: float
    nullable: bool


def goes_left(tree: Tree, node: int, value: float) -> bool:
    """Whether LightGBM goes left at an inner node.

    Args:
        tree, node: a validated tree and the number of one of its inner nodes.
        value: value of the node's column.
    """
    kind, threshold = tree.decision_type[node], tree.threshold[node]
    if abs(value) <= _ZERO:
        value = 0.0
    if kind & CATEGORICAL:
        return _in_categories(tree, int(threshold), value)
    unknown = kind >> 2
    if math.isnan(value) and unknown != _NAN_IS_UNKNOWN:
        value = 0.0
    if math.isnan(value) or (unknown == ZERO_IS_UNKNOWN and value == 0.0):
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
    """One row for each leaf that a row within the bounds can reach.

    Therefore the rows cover both sides of each split, if both can be reached.

    Args:
        trees: validated trees.
        columns: bounds of the f columns.
        most: maximum number of leaves, selected evenly from all.
        seed: seed for the columns that do not matter for a leaf.
    Returns:
        (n, f) rows, n <= most.
    """
    total = sum(len(tree.leaf_value) for tree in trees)
    step = max(1, math.ceil(total / most))
    base = draw_rows(columns, len(range(0, total, step)), seed)
    rows = []
    paths = (path for tree in trees for path in _leaf_paths(tree))
    for number, (tree, path) in enumerate(paths):
        if number % step == 0 and (values := _values_for_path(tree, path, columns)) is not None:
            row = base[number // step]
            for column, value in values.items():
                row[column] = value
            rows.append(row)
    return np.array(rows).reshape(len(rows), len(columns))


def draw_rows(columns: Sequence[Bounds], count: int, seed: int) -> NDArray[np.float64]:
    """Random rows within the bounds; in the second half, half of the nullable values are NaN.

    Args:
        columns: bounds of the f columns.
        count: number of rows.
        seed: seed of the random numbers.
    Returns:
        (count, f) float64.
    """
    rng = np.random.default_rng(seed)
    rows = np.empty((count, len(columns)))
    late = np.arange(count) >= count // 2
    for number, column in enumerate(columns):
        low, high = _sampling_range(column)
        share = rng.random(count)
        rows[:, number] = np.clip((1.0 - share) * low + share * high, low, high)
        if column.nullable:
            rows[late & (rng.random(count) < 0.5), number] = np.nan
    return rows


def _sampling_range(column: Bounds) -> tuple[float, float]:
    low, high = column.low, column.high
    if math.isinf(low):
        low = -UNBOUNDED_SPAN if math.isinf(high) else high - UNBOUNDED_SPAN
    return low, low + UNBOUNDED_SPAN if math.isinf(high) else high


def _leaf_paths(tree: Tree) -> Iterator[tuple[Tree, _Path]]:
    """The path to each leaf."""
    if not tree.left_child:
        yield tree, []
        return
    open_paths: list[tuple[int, _Path]] = [(0, [])]
    while open_paths:
        node, path = open_paths.pop()
        for child, left in ((tree.left_child[node], True), (tree.right_child[node], False)):
            longer = [*path, (node, left)]
            if child >= 0:
                open_paths.append((child, longer))
            else:
                yield tree, longer


def _values_for_path(tree: Tree, path: _Path, columns: Sequence[Bounds]) -> dict[int, float] | None:
    """A value for each column on a path; None if no values lead along it."""
    splits_by_column: dict[int, _Path] = {}
    for node, left in path:
        splits_by_column.setdefault(tree.split_feature[node], []).append((node, left))
    values = {}
    for column, splits in splits_by_column.items():
        for value in _candidates(tree, splits, columns[column]):
            if all(goes_left(tree, node, value) == left for node, left in splits):
                values[column] = value
                break
        else:
            return None
    return values


def _candidates(tree: Tree, splits: _Path, column: Bounds) -> Iterator[float]:
    """Values within the bounds that include one for the given splits, if there is any."""
    low, high = column.low, column.high
    categories: list[float] = []
    for node, left in splits:
        threshold = tree.threshold[node]
        if tree.decision_type[node] & CATEGORICAL:
            categories += _sample_categories(tree, int(threshold))
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


def _sample_categories(tree: Tree, number: int) -> list[float]:
    """Some categories of a set, and the value after each."""
    begin, end = tree.cat_boundaries[number : number + 2]
    sample = [
        32.0 * word + bit
        for word in range(min(end - begin, _MAX_CATEGORIES))
        for bit in range(32)
        if tree.cat_threshold[begin + word] >> bit & 1
    ][:_MAX_CATEGORIES]
    return [*sample, *(value + 1.0 for value in sample), 32.0 * (end - begin)]
