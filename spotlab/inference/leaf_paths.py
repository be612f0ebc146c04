"""The conditions on the way to each leaf, from which SHAP values are computed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotlab.inference.tree_bins import Column, Floats, Ints
from spotlab.inference.tree_text import Tree

MOST_COLUMNS: Final = 10
"""A leaf's contributions are tabulated for each combination of its columns' conditions."""


class LeafPaths(NamedTuple):
    """The conditions under which a row reaches each leaf, one for each column on its path.

    Args:
        starts: (leaves + 1,) first condition of each leaf.
        values: (leaves,) value of each leaf.
        columns: (conditions,) column.
        low, high: (conditions,) bins low <= bin < high of the column meet the condition; -1 in low:
            see `allowed`, which starts at `high`.
        unknown, zero: (conditions,) whether the bins of NaN and 0 meet it.
        share: (conditions,) share of the training rows before the column's splits that meet it.
        allowed: whether each bin of a categorical column meets a condition.
        base: mean of the trees' values over the training rows.
        most_columns: largest number of conditions of a leaf.
    """

    starts: Ints
    values: Floats
    columns: Ints
    low: NDArray[np.int16]
    high: NDArray[np.int32]
    unknown: NDArray[np.bool_]
    zero: NDArray[np.bool_]
    share: Floats
    allowed: NDArray[np.bool_]
    base: float
    most_columns: int


def leaf_paths(trees: Sequence[Tree], columns: Sequence[Column]) -> LeafPaths | None:
    base, starts, values = 0.0, [0], list[float]()
    numbers, low, high = list[int](), list[int](), list[int]()
    unknown, zero, share = list[bool](), list[bool](), list[float]()
    allowed = list[NDArray[np.bool_]]()
    size = 0
    for tree in trees:
        if not tree.left_child:
            base += tree.leaf_value[0]
            continue
        weights = np.array(tree.leaf_count) / tree.internal_count[0]
        base += float(weights @ np.array(tree.leaf_value))
        for leaf, conditions in _conditions(tree, columns):
            if len(conditions) > MOST_COLUMNS:
                return None
            for number, (meets, part) in conditions.items():
                column = columns[number]
                numbers.append(number)
                share.append(part)
                unknown.append(bool(meets[column.ordinary]))
                zero.append(bool(meets[column.ordinary + 1]))
                if column.categories:
                    low.append(-1)
                    high.append(size)
                    allowed.append(meets)
                    size += len(meets)
                    continue
                bins = np.flatnonzero(meets[: column.ordinary])
                low.append(int(bins[0]) if len(bins) else 0)
                high.append(int(bins[-1]) + 1 if len(bins) else 0)
            starts.append(len(numbers))
            values.append(tree.leaf_value[leaf])
    return LeafPaths(
        starts=np.array(starts),
        values=np.array(values),
        columns=np.array(numbers, dtype=np.int64),
        low=np.array(low, dtype=np.int16),
        high=np.array(high, dtype=np.int32),
        unknown=np.array(unknown, dtype=np.bool_),
        zero=np.array(zero, dtype=np.bool_),
        share=np.array(share, dtype=np.float64),
        allowed=np.concatenate(allowed) if allowed else np.zeros(1, dtype=np.bool_),
        base=base,
        most_columns=max((b - a for a, b in pairwise(starts)), default=0),
    )


def _conditions(
    tree: Tree, columns: Sequence[Column]
) -> list[tuple[int, dict[int, tuple[NDArray[np.bool_], float]]]]:
    """Each leaf with, by column, which bins meet its conditions and the share that they keep."""
    found = []
    open_nodes: list[tuple[int, dict[int, tuple[NDArray[np.bool_], float]]]] = [(0, {})]
    while open_nodes:
        node, conditions = open_nodes.pop()
        number = tree.split_feature[node]
        branch = columns[number].left(tree, node)
        meets, share = conditions.get(number, (np.True_, 1.0))
        for child, goes in ((tree.right_child[node], ~branch), (tree.left_child[node], branch)):
            rows = tree.internal_count[child] if child >= 0 else tree.leaf_count[-child - 1]
            kept = share * rows / tree.internal_count[node]
            longer = {**conditions, number: (np.asarray(meets & goes), kept)}
            if child >= 0:
                open_nodes.append((child, longer))
            else:
                found.append((-child - 1, longer))
    return found
