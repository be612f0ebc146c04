"""Scores of trees from bit sets of the leaves that each bin leaves possible.

A bin's row in a table holds, for each tree, the leaves that the bin leaves possible as a bit set:
the intersection over all columns is the one leaf that the row reaches. No branch is mispredicted,
and one instruction intersects the sets of eight or sixteen trees.

Source: C. Lucchese et al., "QuickScorer: a fast algorithm to rank documents with additive ensembles
of regression trees" (SIGIR 2015), which intersects the bit sets threshold by threshold; here they
are intersected in advance for each bin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotlab.inference.tree_bins import Bins, Column, Floats, Ints
from spotlab.inference.tree_text import Tree

LANES: Final = 64
"""Trees whose bit sets are intersected together; a block's tables fit in the second-level cache."""
_DE_BRUIJN: Final = {32: (0x077CB531, 27), 64: (0x03F79D71B4CB0A89, 58)}
"""Multiplied by a power of two, the highest bits of these numbers are different for each power."""


class ScoreTables(NamedTuple):
    """Bit sets of the leaves that each bin leaves possible, in blocks of LANES trees.

    Args:
        rows: (blocks, bins) row of each bin in `table`.
        table: (rows, LANES) bit sets, unsigned integers of 32 or 64 bits.
        columns: used columns of each block, one block after the other.
        column_starts: (blocks + 1,) first of them of each block.
        trees: (blocks,) number of trees.
        leaf_values: (blocks × LANES × bits,) at the hashed number of the leaf.
        multiplier, shift: the hash of a bit set with one bit.
    """

    rows: NDArray[np.int32]
    table: NDArray[Any]
    columns: Ints
    column_starts: Ints
    trees: Ints
    leaf_values: Floats
    multiplier: np.unsignedinteger[Any]
    shift: np.unsignedinteger[Any]


def score_tables(
    trees: Sequence[Tree], columns: Sequence[Column], bins: Bins, bits: int
) -> ScoreTables | None:
    if max(len(tree.leaf_value) for tree in trees) > bits:
        return None
    word = np.uint32 if bits == 32 else np.uint64
    multiplier, shift = _DE_BRUIJN[bits]
    place = [((multiplier << leaf) % 2**bits) >> shift for leaf in range(bits)]
    blocks = [trees[start : start + LANES] for start in range(0, len(trees), LANES)]
    rows = np.zeros((len(blocks), bins.first[-1]), dtype=np.int32)
    values = np.zeros((len(blocks), LANES, bits))
    parts, used = [], []
    height = 0
    for number, block in enumerate(blocks):
        by_column: dict[int, list[tuple[int, int, int, NDArray[np.bool_]]]] = {}
        for lane, tree in enumerate(block):
            values[number, lane, [place[leaf] for leaf in range(len(tree.leaf_value))]] = (
                tree.leaf_value
            )
            for node, (left, right) in _leaf_sets(tree).items():
                column = tree.split_feature[node]
                branch = columns[column].left(tree, node)
                by_column.setdefault(column, []).append((lane, left, right, branch))
        used.append(sorted(by_column) or [0])
        for column in used[-1]:
            full = _distinct_rows(by_column.get(column, []), columns[column].bins, word)
            if column == used[-1][0]:
                sets = [(1 << len(tree.leaf_value)) - 1 for tree in block]
                full &= np.array(sets + [1] * (LANES - len(block)), dtype=word)
            distinct, row = np.unique(full, axis=0, return_inverse=True)
            first = bins.first[column]
            rows[number, first : first + len(row)] = height + row.reshape(-1)
            parts.append(distinct)
            height += len(distinct)
    return ScoreTables(
        rows=rows,
        table=np.ascontiguousarray(np.concatenate(parts)),
        columns=np.array([column for each in used for column in each]),
        column_starts=np.cumsum([0, *(len(each) for each in used)]),
        trees=np.array([len(block) for block in blocks]),
        leaf_values=values.reshape(-1),
        multiplier=word(multiplier),
        shift=word(shift),
    )


def _distinct_rows(
    nodes: Sequence[tuple[int, int, int, NDArray[np.bool_]]],
    bins: int,
    word: type[np.uint32] | type[np.uint64],
) -> NDArray[Any]:
    """(bins, LANES) leaves that each bin leaves possible at the nodes of one column."""
    everything = int(np.iinfo(word).max)
    possible = np.full((LANES, bins), everything, dtype=word)
    for lane, left, right, branch in nodes:
        possible[lane] &= np.where(branch, word(everything ^ right), word(everything ^ left))
    return np.ascontiguousarray(possible.T)


def _leaf_sets(tree: Tree) -> dict[int, tuple[int, int]]:
    """For each inner node, the leaves below its left and its right child, as bit sets."""
    order, open_nodes = [], [0] if tree.left_child else []
    while open_nodes:
        node = open_nodes.pop()
        order.append(node)
        open_nodes += [
            child for child in (tree.left_child[node], tree.right_child[node]) if child >= 0
        ]
    sets: dict[int, tuple[int, int]] = {}

    def below(child: int) -> int:
        return sets[child][0] | sets[child][1] if child >= 0 else 1 << (-child - 1)

    for node in reversed(order):
        sets[node] = below(tree.left_child[node]), below(tree.right_child[node])
    return sets
