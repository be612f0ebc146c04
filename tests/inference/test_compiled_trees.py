"""The compiled kernels return what LightGBM returns, and the reference that walks each tree."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spotlab.inference import boosters
from spotlab.inference.boosters import ValidatedBooster
from spotlab.inference.compiled_trees import CompiledTrees
from spotlab.inference.kernel_loader import tree_kernels
from spotlab.inference.lightgbm_import import lightgbm
from spotlab.inference.model_text import TreeModel
from spotlab.inference.tree_rows import goes_left
from spotlab.inference.tree_structure import validate_trees
from tests.conftest import ROOT

SHIPPED = ROOT / "models" / "advisor-lgbm" / "1.2.0" / "model.txt"
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "stumps": {"num_leaves": 2},
    "shallow": {"num_leaves": 8, "max_depth": 3},
    "up to 64 leaves": {"num_leaves": 50, "min_data_in_leaf": 20},
    "zero is unknown": {"zero_as_missing": True},
    "nothing is unknown": {"use_missing": False},
    "categories": {"categorical_feature": [2, 3]},
    "dart": {"boosting": "dart", "categorical_feature": [3]},
    "random forest": {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6},
    "cross entropy": {"objective": "cross_entropy"},
    "one column": {"feature_fraction": 0.13},
}
Floats = NDArray[np.float64]


def training_rows(seed: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    rows = rng.random((1500, 8))
    rows[:, 2], rows[:, 3] = rng.integers(0, 40, 1500), rng.integers(0, 70, 1500)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    rows[rng.random(1500) < 0.3, 4] = 0.0
    rows[:, 5] = np.round(rows[:, 5] * 4)
    known = np.nan_to_num(rows)
    return rows, (known[:, 0] + np.sin(known[:, 2]) + known[:, 4] > 1.0).astype(float)


def trained(variant: dict[str, Any], seed: int = 0, rounds: int = 70) -> bytes:
    module = lightgbm()
    rows, labels = training_rows(seed)
    options = {"objective": "binary", "verbosity": -1, "num_leaves": 31, "min_data_in_leaf": 5}
    options |= {"num_threads": 1, "seed": seed, **variant}
    categories = options.pop("categorical_feature", "auto")
    of_data = ("zero_as_missing", "use_missing", "linear_tree", "max_bin")
    own = {key: variant[key] for key in of_data if key in variant}
    data = module.Dataset(
        rows, labels, categorical_feature=categories, params={"verbosity": -1, **own}
    )
    text: str = module.train(options, data, rounds).model_to_string()
    return text.encode()


def hostile_rows(model: TreeModel, count: int, seed: int = 1) -> Floats:
    """Thresholds and their neighbours, NaN, infinities, zeros of both signs, and categories."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, len(model.feature_names)))
    for column in range(rows.shape[1]):
        found = [
            tree.threshold[node]
            for tree in model.trees
            for node, number in enumerate(tree.split_feature)
            if number == column
        ]
        if found:
            near = rng.choice(np.array(found), count)
            near = np.nextafter(near, rng.choice([-np.inf, 0.0, np.inf], count))
            finite = [threshold for threshold in found if np.isfinite(threshold)] or [0.0]
            spread = rng.uniform(min(finite) - 1.0, max(finite) + 1.0, count)
            rows[:, column] = np.where(rng.random(count) < 0.4, near, spread)
    for value in (np.nan, 0.0, -0.0, 1e-36, -1e-36, np.inf, -np.inf, -0.5, 39.5, 1e9, 2.0):
        rows[rng.random(rows.shape) < 0.02] = value
    return rows


def walked(model: TreeModel, row: Floats) -> float:
    """The reference: every tree from its root to a leaf."""
    total = 0.0
    for tree in model.trees:
        node = 0 if tree.left_child else -1
        while node >= 0:
            left = goes_left(tree, node, float(row[tree.split_feature[node]]))
            node = tree.left_child[node] if left else tree.right_child[node]
        total += tree.leaf_value[-node - 1]
    return total


@pytest.fixture(scope="module")
def kernels() -> ModuleType:
    loader = tree_kernels()
    assert loader.load() == ""
    assert loader.module is not None
    return loader.module


@pytest.mark.parametrize("name", VARIANTS)
def test_scores_and_contributions_are_lightgbms(name: str, kernels: ModuleType) -> None:
    content = trained(VARIANTS[name])
    model = validate_trees(content)
    trees = CompiledTrees.of(model)
    assert isinstance(trees, CompiledTrees)
    assert trees.scores is not None
    assert trees.paths is not None
    peer = lightgbm().Booster(model_str=content.decode())
    for count in (1, 7, 8, 1025):
        rows = hostile_rows(model, count, seed=count)
        expected = peer.predict(rows, raw_score=True, num_threads=1)
        np.testing.assert_array_equal(kernels.scores(trees, rows), expected)
    rows = hostile_rows(model, 300)
    np.testing.assert_array_equal(
        kernels.scores(trees, rows)[:40], [walked(model, row) for row in rows[:40]]
    )
    expected = peer.predict(rows, pred_contrib=True, num_threads=1)
    np.testing.assert_allclose(kernels.contributions(trees, rows), expected[:, :-1], atol=1e-9)
    assert trees.paths.base == pytest.approx(expected[0, -1], abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_random_models(seed: int, kernels: ModuleType) -> None:
    rng = np.random.default_rng(seed)
    variant = {
        "num_leaves": int(rng.integers(2, 40)),
        "min_data_in_leaf": int(rng.integers(2, 30)),
        "max_depth": int(rng.integers(2, 9)),
        "zero_as_missing": bool(rng.random() < 0.3),
        "categorical_feature": [2, 3] if rng.random() < 0.5 else [],
        "max_bin": int(rng.integers(3, 255)),
    }
    content = trained(variant, seed, rounds=int(rng.integers(1, 140)))
    model = validate_trees(content)
    trees = CompiledTrees.of(model)
    assert isinstance(trees, CompiledTrees)
    rows = hostile_rows(model, 200, seed)
    peer = lightgbm().Booster(model_str=content.decode())
    expected = peer.predict(rows, raw_score=True, num_threads=1)
    np.testing.assert_array_equal(kernels.scores(trees, rows), expected)
    parts = kernels.contributions(trees, rows)
    np.testing.assert_allclose(parts.sum(axis=1) + trees.paths.base, expected, atol=1e-9)  # type: ignore[union-attr]


def test_a_model_that_cannot_be_converted_says_why() -> None:
    assert "linear" in str(
        CompiledTrees.of(validate_trees(trained({"linear_tree": True, "max_bin": 20})))
    )
    large = CompiledTrees.of(validate_trees(trained({"num_leaves": 90, "min_data_in_leaf": 5})))
    assert isinstance(large, CompiledTrees)
    assert "leaves, more than 64" in large.why_not
    assert large.scores is None


def test_the_booster_is_the_same_with_and_without_kernels(
    kernels: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = SHIPPED.read_bytes()
    model = validate_trees(content)
    without, ready = tree_kernels(), tree_kernels()
    without.disable("it is not wanted")
    ready.load()
    rows = hostile_rows(model, 5000)
    booster = ValidatedBooster(content, model.feature_names, None)
    monkeypatch.setattr(boosters, "KERNELS", without)
    assert booster.why_not_compiled == "it is not wanted"
    scores, parts = booster.raw_score(rows), booster.contributions(rows[:700])
    monkeypatch.setattr(boosters, "KERNELS", ready)
    assert booster.why_not_compiled == ""
    np.testing.assert_array_equal(booster.raw_score(rows), scores)
    np.testing.assert_array_equal(booster.raw_score(rows[:1]), scores[:1])
    np.testing.assert_array_equal(booster.raw_score(np.asfortranarray(rows)), scores)
    np.testing.assert_allclose(booster.contributions(rows[:700]), parts, atol=1e-9)
    assert booster.raw_score(rows[:0]).shape == (0,)


def test_kernels_are_loaded_at_the_second_market_only() -> None:
    loader = tree_kernels()
    loader.note_request(1)
    loader.note_request(15_000)
    assert loader.module is None
    assert "second time" in loader.why_not
    loader.note_request(15_000)
    assert loader.load() == ""
    assert loader.module is not None


def test_importing_the_models_does_not_import_numba() -> None:
    code = "import sys, spotlab.inference.adapters; sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
