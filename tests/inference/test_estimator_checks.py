"""An estimator whose trees or numbers cannot result from fitting is rejected before it is used."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import skops.io
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from spotlab.errors import ArtefactRefused, InvalidInput
from spotlab.inference.estimator_checks import MAX_TREE_DEPTH, validate_estimator
from spotlab.inference.estimators import open_estimator
from tests.support import models, skops_files

TYPICAL = np.zeros(len(models.FEATURES))
Nodes = NDArray[Any]


def reopened(fitted: Any) -> Any:
    """The estimator, written to a file and read again."""
    return open_estimator(skops.io.dumps(fitted), TYPICAL)


def inner(nodes: Nodes) -> NDArray[np.intp]:
    return np.flatnonzero(nodes["is_leaf"] == 0)


def to_itself(nodes: Nodes) -> None:
    """The root is its own child: an endless loop."""
    nodes["left"][0] = nodes["right"][0] = 0


def in_a_ring(nodes: Nodes) -> None:
    """An inner node is its own only parent, and is not reachable from the root."""
    below = int(nodes["left"][0])
    assert nodes["is_leaf"][below] == 0
    nodes["left"][0], nodes["left"][below] = nodes["left"][below], below


def beyond(nodes: Nodes) -> None:
    """A child far outside: scikit-learn reads other memory."""
    nodes["right"][0] = 4_000_000_000


def shared(nodes: Nodes) -> None:
    nodes["left"][0] = nodes["right"][0]


def set_to(field: str, value: float, where: str = "split") -> Callable[[Nodes], None]:
    def change(nodes: Nodes) -> None:
        nodes[field][inner(nodes) if where == "split" else slice(None)] = value

    return change


TREES: dict[str, tuple[Callable[[Nodes], None], str]] = {
    "its own child": (to_itself, "exactly one parent"),
    "a ring": (in_a_ring, "cannot be reached"),
    "a child beyond the end": (beyond, "index is beyond its"),
    "one child twice": (shared, "exactly one parent"),
    "a feature beyond the last": (set_to("feature_idx", 10**9), "feature that is not"),
    "a feature before the first": (set_to("feature_idx", -1), "feature that is not"),
    "no leaf": (set_to("is_leaf", 0, "all"), "exactly one parent|beyond|feature"),
    "a leaf and a half": (set_to("is_leaf", 3, "all"), "neither 0 nor 1"),
    "categories": (set_to("is_categorical", 1), "categorical"),
    "no numbers": (set_to("value", np.nan, "all"), "no finite value"),
    "infinite numbers": (set_to("value", np.inf, "all"), "no finite value"),
    "no rows": (set_to("count", 0, "all"), "no training rows"),
    "no threshold": (set_to("num_threshold", np.nan), "no threshold"),
}


@pytest.mark.parametrize("name", TREES)
def test_a_tree_that_is_none_is_refused(name: str) -> None:
    change, said = TREES[name]
    fitted = skops_files.boosting()
    change(fitted._predictors[1][0].nodes)

    with pytest.raises(ArtefactRefused, match=f"tree 1: .*({said})"):
        reopened(fitted)


def chain(length: int) -> Nodes:
    """A tree of one long branch, with a leaf at each step."""
    nodes = np.zeros(2 * length + 1, dtype=skops_files.boosting(1)._predictors[0][0].nodes.dtype)
    at = np.arange(length)
    nodes["left"][2 * at], nodes["right"][2 * at] = 2 * at + 1, 2 * at + 2
    nodes["is_leaf"][2 * at + 1] = nodes["is_leaf"][-1] = 1
    nodes["count"] = 1
    return nodes


def test_a_tree_is_no_deeper_than_shap_can_follow() -> None:
    fitted = skops_files.boosting(1)
    fitted._predictors[0][0].nodes = chain(MAX_TREE_DEPTH)
    assert np.isfinite(reopened(fitted).log_odds(models.rows(3))).all()

    fitted._predictors[0][0].nodes = chain(50_000)
    with pytest.raises(ArtefactRefused, match="deeper than 256"):
        reopened(fitted)


def with_attribute(name: str, value: Any) -> Callable[[Any], None]:
    def change(fitted: Any) -> None:
        target, _, attribute = name.rpartition(".")
        for step in filter(None, target.split(".")):
            fitted = fitted[int(step)] if step.isdigit() else getattr(fitted, step)
        setattr(fitted, attribute, value)

    return change


def without(name: str) -> Callable[[Any], None]:
    def change(fitted: Any) -> None:
        step, attribute = name.split(".")
        delattr(fitted[int(step)], attribute)

    return change


BOOSTED = {
    "in_fit": (with_attribute("_in_fit", 1), "'_in_fit', which fitting does not set"),
    "shadowed method": (with_attribute("decision_function", "x"), "'decision_function', which"),
    "other features": (with_attribute("n_features_in_", 9), "was not fitted on the 4 features"),
    "fewer features": (with_attribute("_n_features", 3), "number of features or classes"),
    "three classes": (with_attribute("classes_", np.arange(3.0)), "two classes"),
    "trees a round": (with_attribute("n_trees_per_iteration_", 2), "features or classes"),
    "no names": (with_attribute("feature_names_in_", np.array(1.0)), "not a list of names"),
    "text as base": (with_attribute("_baseline_prediction", "x"), "finite numbers"),
    "nan as base": (
        with_attribute("_baseline_prediction", np.array([[np.nan]])),
        "finite numbers",
    ),
    "no rounds": (with_attribute("_predictors", [[]]), "one tree per round"),
    "rounds of text": (with_attribute("_predictors", "abc"), "one tree per round"),
    "no tree": (with_attribute("_predictors", [["abc"]]), "is not a tree"),
    "bins of others": (
        with_attribute("_bin_mapper.is_categorical_", np.zeros(2, dtype=np.uint8)),
        "bins do not match its features",
    ),
    "categorical bins": (
        with_attribute("_bin_mapper.is_categorical_", np.ones(4, dtype=np.uint8)),
        "bins do not match its features",
    ),
    "bins of text": (with_attribute("_bin_mapper", "x"), "bins do not match its features"),
}


@pytest.mark.parametrize("name", BOOSTED)
def test_boosted_trees_around_which_something_is_wrong_are_refused(name: str) -> None:
    change, said = BOOSTED[name]
    fitted = skops_files.boosting()
    change(fitted)

    with pytest.raises(ArtefactRefused, match=said):
        reopened(fitted)


LINEAR = {
    "more weights": (with_attribute("2.coef_", np.ones((1, 9))), "coef_ is not"),
    "weights of objects": (with_attribute("2.coef_", np.array([["a"] * 4])), "coef_ is not"),
    "no weights": (with_attribute("2.coef_", "x"), "coef_ is not"),
    "infinite weights": (with_attribute("2.coef_", np.full((1, 4), np.inf)), "coef_ is not"),
    "two intercepts": (with_attribute("2.intercept_", np.ones(2)), "intercept_ is not"),
    "mean of others": (with_attribute("1.mean_", np.ones(3)), "mean_ is not"),
    "scale of 0": (with_attribute("1.scale_", np.zeros(4)), "scale_ contains 0"),
    "more statistics": (with_attribute("0.statistics_", np.ones(9)), "statistics_ is not"),
    "unknown statistics": (with_attribute("0.statistics_", np.full(4, np.nan)), "statistics_"),
    "filling with text": (
        with_attribute("0.missing_values", "x"),
        "replaces values that are not",
    ),
    "other type": (with_attribute("0._fit_dtype", np.dtype(np.float32)), "_fit_dtype"),
    "no type": (without("0._fill_dtype"), "_fill_dtype is not float64"),
    "no parameter": (without("0.add_indicator"), "SimpleImputer lacks 'add_indicator'"),
    "cache on disk": (with_attribute("memory", "/tmp"), "Pipeline with memory"),
    "no steps": (with_attribute("steps", []), "without named steps"),
    "steps of text": (with_attribute("steps", ["ab"]), "without named steps"),
    "a step that predicts": (
        lambda fitted: fitted.steps.insert(1, ("first", deepcopy(fitted.steps[2][1]))),
        "only scalers and imputers are accepted",
    ),
}


@pytest.mark.parametrize("name", LINEAR)
def test_a_linear_model_whose_numbers_do_not_fit_is_refused(name: str) -> None:
    change, said = LINEAR[name]
    fitted = skops_files.linear()
    change(fitted)

    with pytest.raises(ArtefactRefused, match=said):
        reopened(fitted)


def test_numbers_beyond_all_others_are_told_as_input_that_does_not_fit() -> None:
    fitted = skops_files.linear()
    fitted[1].scale_ = np.full(4, 1e-300)
    model = reopened(fitted)

    with pytest.raises(InvalidInput, match="cannot compute log-odds"), np.errstate(all="ignore"):
        model.log_odds(models.rows(3) * 1e10)


@pytest.mark.parametrize(
    "estimator",
    [
        HistGradientBoostingClassifier(max_iter=2, max_leaf_nodes=None, min_samples_leaf=1),
        HistGradientBoostingClassifier(max_iter=3, early_stopping=True, random_state=3),
        HistGradientBoostingClassifier(max_iter=2, class_weight="balanced", max_depth=1),
        HistGradientBoostingClassifier(max_iter=2, monotonic_cst=[1, 0, 0, 0], max_features=0.5),
        LogisticRegression(C=0.1, solver="liblinear"),
        make_pipeline(SimpleImputer(strategy="median"), LogisticRegression()),
        make_pipeline(StandardScaler(with_mean=False), LogisticRegression()),
        make_pipeline(StandardScaler(with_std=False), HistGradientBoostingClassifier(max_iter=3)),
    ],
    ids=repr,
)
def test_what_scikit_learn_fits_is_proved_and_predicts_as_before(estimator: Any) -> None:
    matrix = models.rows(400)
    unknown = matrix.copy()
    if "LogisticRegression" not in repr(estimator) or "Imputer" in repr(estimator):
        unknown[::3, 2] = np.nan
    frame = models.frame_of(unknown)
    estimator.fit(frame, models.outcomes(matrix))
    validate_estimator(estimator)

    assert (
        reopened(estimator).log_odds(unknown).tolist()
        == estimator.decision_function(frame).tolist()
    )
