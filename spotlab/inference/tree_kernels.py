"""Compiled kernels: scores and SHAP values of tree models that were converted to arrays.

Importing this module imports numba (0.5 s), and `warm_up` loads the kernels from its cache or
compiles them (20 s); `kernel_loader` does so in the background. The kernels release the
interpreter's lock.

Source of the SHAP values: for a leaf with value v whose d conditions keep the shares z_i of the
training rows and are met (o_i = 1) or not (o_i = 0), the Shapley value of condition i is
v (o_i - z_i) times the integral over t in 0..1 of the product of z_j (1 - t) + o_j t over j != i.
The integrand has degree d - 1, so Gauss-Legendre quadrature with ceil(d / 2) points is exact. The
values are those of S. Lundberg et al., "Consistent individualized feature attribution for tree
ensembles" (2018), which LightGBM computes with `pred_contrib`.
"""
# mypy: disable-error-code="untyped-decorator, no-untyped-def, call-arg, assignment"

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np
from numba import njit

from spotlab.inference.compiled_trees import CompiledTrees
from spotlab.inference.leaf_paths import MOST_COLUMNS
from spotlab.inference.model_text import TreeModel
from spotlab.inference.score_tables import LANES
from spotlab.inference.tree_bins import BISECTED, CATEGORIES, CELLS, FEW, LOOKED_UP, UNUSED, Floats
from spotlab.inference.tree_text import Tree

_ZERO: Final = float(np.float32(1e-35))
"""LightGBM treats absolute values up to this as 0."""
_SCORE_TILE: Final = 512
_SHAP_TILE: Final = 1024
"""Rows whose bins are kept at a time."""
_BIN_TILE: Final = 64
"""Rows whose values stay in the first-level cache while the columns are read one by one."""
_TOGETHER: Final = 8
"""Rows whose sums are computed together, since each sum waits for its last addition."""
_compiled: Final = partial(njit, nogil=True, cache=True, error_model="numpy")


@_compiled()
def _find_bins(rows, columns, bins):
    """Write the bin of each of the (n, f) values; those of unused columns stay as they are."""
    for column in range(rows.shape[1]):
        kind, start = columns.kind[column], columns.starts[column]
        if kind == UNUSED:
            continue
        size = columns.starts[column + 1] - start - 1
        thresholds = columns.thresholds[start : start + size + 1]
        first = np.int32(columns.first[column])
        unknown = np.int32(first + columns.unknown[column])
        zero = np.int32(first + columns.zero[column])
        if kind == CATEGORIES:
            for row in range(rows.shape[0]):
                value = rows[row, column]
                inside = value > -1.0 and value < thresholds[0]
                bins[row, column] = first + np.int32(value) if inside else unknown
        elif kind == FEW:
            for row in range(rows.shape[0]):
                value = rows[row, column]
                found = first
                for place in range(size):
                    found += np.int32(thresholds[place] < value)
                found = unknown if value != value else found
                bins[row, column] = zero if abs(value) <= _ZERO else found
        elif kind == LOOKED_UP:
            low, scale, steps = columns.low[column], columns.scale[column], columns.steps[column]
            cells = columns.cells[column]
            for row in range(rows.shape[0]):
                value = rows[row, column]
                cell = (value - low) * scale
                cell = cell if cell > 0.0 else 0.0
                cell = cell if cell < CELLS else float(CELLS)
                found = cells[int(cell)]
                for _ in range(steps):
                    found += np.int32(thresholds[found] < value)
                found = unknown if value != value else found + first
                bins[row, column] = zero if abs(value) <= _ZERO else found
        elif kind == BISECTED:
            for row in range(rows.shape[0]):
                value = rows[row, column]
                place = left = np.int64(0)
                left += size
                while left > 1:
                    half = left >> 1
                    place += half * np.int64(thresholds[place + half - 1] < value)
                    left -= half
                found = first + np.int32(place) + np.int32(thresholds[place] < value)
                found = unknown if value != value else found
                bins[row, column] = zero if abs(value) <= _ZERO else found


@_compiled()
def _add_scores(rows, columns, tables, scores):
    """Add the values of the leaves that each of the (n, f) rows reaches, in the trees' order."""
    bins = np.empty((_SCORE_TILE, rows.shape[1]), np.int32)
    sets = np.empty(LANES, tables.table.dtype)
    leaf = np.empty((_TOGETHER, LANES), np.int64)
    totals = np.empty(_TOGETHER)
    table, used = tables.table, tables.columns
    slots = len(tables.leaf_values) // (len(tables.trees) * LANES)
    for begin in range(0, len(rows), _SCORE_TILE):
        end = min(len(rows), begin + _SCORE_TILE)
        for a in range(begin, end, _BIN_TILE):
            b = min(end, a + _BIN_TILE)
            _find_bins(rows[a:b], columns, bins[a - begin : b - begin])
        for block in range(len(tables.trees)):
            place = tables.rows[block]
            first, last = tables.column_starts[block], tables.column_starts[block + 1]
            for row in range(begin, end, _TOGETHER):
                together = min(_TOGETHER, end - row)
                for q in range(together):
                    own = bins[row - begin + q]
                    t0 = table[place[own[used[first]]]]
                    for lane in range(LANES):
                        sets[lane] = t0[lane]
                    u = first + 1
                    while u + 3 < last:
                        t0 = table[place[own[used[u]]]]
                        t1 = table[place[own[used[u + 1]]]]
                        t2 = table[place[own[used[u + 2]]]]
                        t3 = table[place[own[used[u + 3]]]]
                        for lane in range(LANES):
                            sets[lane] &= t0[lane] & t1[lane] & t2[lane] & t3[lane]
                        u += 4
                    while u < last:
                        t0 = table[place[own[used[u]]]]
                        for lane in range(LANES):
                            sets[lane] &= t0[lane]
                        u += 1
                    for lane in range(LANES):
                        sets[lane] = sets[lane] * tables.multiplier
                        leaf[q, lane] = np.int64(sets[lane] >> tables.shift)
                for q in range(together):
                    totals[q] = scores[row + q]
                for lane in range(tables.trees[block]):
                    values = tables.leaf_values[(block * LANES + lane) * slots :]
                    if together == _TOGETHER:
                        for q in range(_TOGETHER):
                            totals[q] += values[leaf[q, lane]]
                    else:
                        for q in range(together):
                            totals[q] += values[leaf[q, lane]]
                for q in range(together):
                    scores[row + q] = totals[q]


@_compiled()
def _add_contributions(rows, columns, paths, points, weights, contributions):
    """Add the SHAP values of the (n, f) rows."""
    width = rows.shape[1]
    bins = np.empty((_SHAP_TILE, width), np.int32)
    of_column = np.empty((width, _SHAP_TILE), np.int16)
    special = np.zeros(width, np.bool_)
    sums = np.empty((width, _SHAP_TILE))
    met = np.empty(_SHAP_TILE, np.uint16)
    most = max(paths.most_columns, 1)
    product = np.empty(1 << most)
    tables = np.empty((most, 1 << most))
    for begin in range(0, len(rows), _SHAP_TILE):
        size = min(_SHAP_TILE, len(rows) - begin)
        for a in range(0, size, _BIN_TILE):
            b = min(size, a + _BIN_TILE)
            _find_bins(rows[begin + a : begin + b], columns, bins[a:b])
        for column in range(width):
            sums[column, :size] = 0.0
            special[column] = False
            if columns.kind[column] != UNUSED:
                for row in range(size):
                    found = bins[row, column] - columns.first[column]
                    of_column[column, row] = found
                    special[column] |= found >= columns.ordinary[column]
        for leaf in range(len(paths.values)):
            first = paths.starts[leaf]
            depth = paths.starts[leaf + 1] - first
            _find_met(of_column, special, columns, paths, first, depth, size, met)
            _tabulate(paths, leaf, points, weights, product, tables)
            for i in range(depth):
                target, table = sums[paths.columns[first + i]], tables[i]
                for row in range(size):
                    target[row] += table[met[row]]
        for row in range(size):
            for column in range(width):
                contributions[begin + row, column] += sums[column, row]


@_compiled()
def _find_met(of_column, special, columns, paths, first, depth, size, met):
    """Write which of a leaf's conditions each row meets, as a bit set."""
    met[:size] = 0
    for i in range(depth):
        c = first + i
        column = paths.columns[c]
        own, bit = of_column[column], np.uint16(1 << i)
        low, high = paths.low[c], paths.high[c]
        if low < 0:
            for row in range(size):
                met[row] |= bit if paths.allowed[high + own[row]] else np.uint16(0)
            continue
        for row in range(size):
            met[row] |= bit if (own[row] >= low) & (own[row] < high) else np.uint16(0)
        if special[column]:
            unknown = columns.ordinary[column]
            if paths.unknown[c]:
                for row in range(size):
                    met[row] |= bit if own[row] == unknown else np.uint16(0)
            if paths.zero[c]:
                for row in range(size):
                    met[row] |= bit if own[row] == unknown + 1 else np.uint16(0)


@_compiled()
def _tabulate(paths, leaf, points, weights, product, tables):
    """Write each condition's Shapley value for each set of conditions that a row may meet."""
    first = paths.starts[leaf]
    depth = paths.starts[leaf + 1] - first
    order, cases = (depth + 1) // 2, 1 << depth
    for k in range(order):
        t = points[order, k]
        product[0] = weights[order, k] * paths.values[leaf]
        filled = 1
        for i in range(depth):
            if_not = paths.share[first + i] * (1.0 - t)
            if_met = if_not + t
            for case in range(filled):
                product[filled + case] = product[case] * if_met
                product[case] *= if_not
            filled *= 2
        for i in range(depth):
            share = paths.share[first + i]
            factor_not = -1.0 / (1.0 - t)
            factor_met = (1.0 - share) / (share * (1.0 - t) + t)
            table, stride = tables[i], 1 << i
            for base in range(0, cases, 2 * stride):
                for case in range(base, base + stride):
                    before = 0.0 if k == 0 else table[case]
                    table[case] = before + product[case] * factor_not
                for case in range(base + stride, base + 2 * stride):
                    before = 0.0 if k == 0 else table[case]
                    table[case] = before + product[case] * factor_met


def _legendre(most: int) -> tuple[Floats, Floats]:
    """Points and weights on 0..1 of each order up to `most`, at [order, point]."""
    points, weights = np.zeros((most + 1, most)), np.zeros((most + 1, most))
    for order in range(1, most + 1):
        at, weight = np.polynomial.legendre.leggauss(order)
        points[order, :order], weights[order, :order] = (at + 1.0) / 2.0, weight / 2.0
    return points, weights


_POINTS, _WEIGHTS = _legendre((MOST_COLUMNS + 1) // 2)


def scores(trees: CompiledTrees, rows: Floats) -> Floats:
    """(n,) raw scores of (n, f) rows in C order; equal to LightGBM's to the last bit."""
    assert trees.scores is not None, trees.why_not
    found = np.zeros(len(rows))
    _add_scores(rows, trees.bins, trees.scores, found)
    return found


def contributions(trees: CompiledTrees, rows: Floats) -> Floats:
    """(n, f) SHAP values of (n, f) rows in C order, without the base."""
    assert trees.paths is not None, trees.why_not
    found = np.zeros(rows.shape)
    _add_contributions(rows, trees.bins, trees.paths, _POINTS, _WEIGHTS, found)
    return found


def warm_up() -> None:
    """Load every kernel from the cache, or compile it, by evaluating two models of a few trees."""
    rows = np.zeros((1, 1))
    for leaves in (2, 33):
        trees = CompiledTrees.of(_chain(leaves))
        assert isinstance(trees, CompiledTrees)
        scores(trees, rows)
        contributions(trees, rows)


def _chain(leaves: int) -> TreeModel:
    """One tree that splits a column at 0, 1, 2, …."""
    inner = leaves - 1
    tree = Tree(
        split_feature=[0] * inner,
        threshold=[float(node) for node in range(inner)],
        decision_type=[2] * inner,
        left_child=[-node - 1 for node in range(inner)],
        right_child=[*range(1, inner), -leaves],
        leaf_value=[1.0] * leaves,
        leaf_count=[1] * leaves,
        internal_count=[leaves - node for node in range(inner)],
        cat_boundaries=[0],
        cat_threshold=[],
        linear=False,
        leaf_features=[],
    )
    return TreeModel(("column",), [tree], linear=False)
