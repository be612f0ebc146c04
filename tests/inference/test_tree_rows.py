"""Rows created for the leaves of a model reach them."""

from __future__ import annotations

import math

import lightgbm
import numpy as np
import pytest

from spotlab.inference.tree_rows import Bounds, draw_rows, leaf_rows
from spotlab.inference.tree_structure import validate_trees
from tests.support.small_models import small_models

ANY = Bounds(-math.inf, math.inf, nullable=True)


@pytest.mark.parametrize("kind", sorted(small_models()))
def test_every_leaf_is_reached(kind: str) -> None:
    text = small_models()[kind]
    model = validate_trees(text.encode())
    rows = leaf_rows(model.trees, [ANY] * len(model.feature_names), 10_000, 1)

    reached = lightgbm.Booster(model_str=text).predict(rows, pred_leaf=True, num_threads=1)

    for tree, leaves in zip(model.trees, np.asarray(reached, dtype=int).T, strict=True):
        assert set(leaves) == set(range(len(tree.leaf_value)))


def test_no_row_leaves_the_bounds_and_what_no_row_reaches_is_left_out() -> None:
    model = validate_trees(small_models()["deep"].encode())
    narrow = [Bounds(0.0, 0.5, nullable=False)] * 4

    rows = leaf_rows(model.trees, narrow, 10_000, 1)

    assert ((rows >= 0.0) & (rows <= 0.5)).all()
    assert 0 < len(rows) < sum(len(tree.leaf_value) for tree in model.trees)


def test_there_are_never_more_rows_than_asked_for() -> None:
    model = validate_trees(small_models()["deep"].encode())
    assert 15 <= len(leaf_rows(model.trees, [ANY] * 4, 40, 1)) <= 40


def test_rows_of_the_widest_bounds_are_numbers() -> None:
    rows = draw_rows([Bounds(-1e308, 1e308, nullable=False), ANY], 200, 1)
    assert np.isfinite(rows[:, 0]).all()
    assert np.isnan(rows[100:, 1]).any()
    assert np.isfinite(rows[:100, 1]).all()
