"""Means within a group of types are sums in the order of the types, to the last bit."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from spotlab.features.offer_features import _mean_within
from spotlab.features.panel import mean_of_others

SHAPES = st.tuples(st.integers(0, 4), st.integers(0, 12))
VALUES = st.one_of(st.just(np.nan), st.floats(-1e9, 1e9))


@given(SHAPES.flatmap(lambda shape: arrays.arrays(np.float64, shape, elements=VALUES)), st.data())
def test_the_mean_within_a_group_is_that_of_a_loop(
    matrix: NDArray[np.float64], data: st.DataObject
) -> None:
    regions, types = matrix.shape
    group = data.draw(arrays.arrays(np.int64, types, elements=st.integers(0, 3)))
    total, count = np.zeros((2, 4, regions))
    for type_, number in enumerate(group):
        known = np.isfinite(matrix[:, type_])
        total[number][known] += matrix[known, type_]
        count[number] += known
    expected = mean_of_others(total[group].T, count[group].T, matrix)
    cells, flat = np.flatnonzero(np.isfinite(matrix)), matrix.ravel()
    means = _mean_within(group, (cells, flat[cells]), (np.arange(matrix.size), flat))
    np.testing.assert_array_equal(means.reshape(matrix.shape), expected)
