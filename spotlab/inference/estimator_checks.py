"""Validation of a fitted scikit-learn estimator before it is used.

scikit-learn's compiled code walks a tree without bounds checks: a child index beyond the end reads
other memory, and a node that is its own child is an endless loop; the same is true for shap.
Therefore the trees in a file are checked to be trees, and the linear steps to have arrays of the
right shape, before the first prediction. Nothing here imports scikit-learn.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.errors import ArtefactRefused

MAX_TREE_DEPTH: Final = 256
"""Far deeper than any fitted tree; the memory that shap needs grows with the square of it."""
_PRIVATE_ATTRIBUTES: Final = {
    "HistGradientBoostingClassifier": {
        "_baseline_prediction",
        "_bin_mapper",
        "_feature_subsample_rng",
        "_is_categorical_remapped",
        "_label_encoder",
        "_loss",
        "_n_features",
        "_predictors",
        "_preprocessor",
        "_random_seed",
        "_scorer",
        "_use_validation_data",
    },
    "SimpleImputer": {"_fill_dtype", "_fit_dtype"},
}
"""Attributes that fitting sets in addition to the parameters and names such as coef_."""
_NODE_FIELDS: Final = (
    *(("value", "<f8"), ("count", "<u4"), ("feature_idx", "<i8"), ("num_threshold", "<f8")),
    *(("missing_go_to_left", "u1"), ("left", "<u4"), ("right", "<u4"), ("gain", "<f8")),
    *(("depth", "<u4"), ("is_leaf", "u1"), ("bin_threshold", "u1"), ("is_categorical", "u1")),
    ("bitset_idx", "<u4"),
)
_NODE: Final = np.dtype(list(_NODE_FIELDS))


def validate_estimator(fitted: Any) -> None:
    """Reject an estimator that cannot be the result of fitting with scikit-learn.

    Args:
        fitted: read from a skops file of trusted types.
    Raises:
        ArtefactRefused: names the problem.
    """
    steps = _steps(fitted)
    features = _feature_count(steps[0])
    for step in steps[:-1]:
        name = type(step).__name__
        if name == "StandardScaler":
            _check_scaler(step, features)
        elif name == "SimpleImputer":
            _check_imputer(step, features)
        else:
            raise ArtefactRefused(f"has the step {name}; only scalers and imputers are accepted")
    last = type(steps[-1]).__name__
    if last == "LogisticRegression":
        _check_linear(steps[-1], features)
    elif last == "HistGradientBoostingClassifier":
        _check_boosting(steps[-1], features)
    else:
        raise ArtefactRefused(
            f"{last} does not return log-odds",
            remedy="Use LogisticRegression or HistGradientBoostingClassifier.",
        )


def _steps(fitted: Any) -> list[Any]:
    if type(fitted).__name__ != "Pipeline":
        _check_attributes(fitted)
        return [fitted]
    _check_attributes(fitted)
    steps = getattr(fitted, "steps", None)
    pairs = isinstance(steps, list) and all(
        isinstance(step, tuple | list) and len(step) == 2 and isinstance(step[0], str)
        for step in steps
    )
    if not pairs or not steps or len({step[0] for step in steps}) < len(steps):
        raise ArtefactRefused("is a Pipeline without named steps")
    for setting in ("memory", "transform_input"):
        if getattr(fitted, setting, None) is not None:
            raise ArtefactRefused(f"is a Pipeline with {setting}, which is not accepted")
    for _, step in steps:
        _check_attributes(step)
    return [step for _, step in steps]


def _check_attributes(fitted: Any) -> None:
    """No attribute may replace a method, or influence one in a way that is not checked."""
    kind = type(fitted)
    parameters = kind._get_param_names() if hasattr(kind, "_get_param_names") else []
    allowed = {*parameters, *_PRIVATE_ATTRIBUTES.get(kind.__name__, ())}
    held = getattr(fitted, "__dict__", {})
    for name in held:
        is_fitted = name.endswith("_") and not name.startswith("_")
        if (name not in allowed and not is_fitted) or hasattr(kind, name):
            raise _version_mismatch(
                f"{kind.__name__} has the attribute {name!r}, which fitting does not set"
            )
    if missing := sorted(set(parameters) - set(held)):
        raise _version_mismatch(f"{kind.__name__} lacks {missing[0]!r}")


def _version_mismatch(problem: str) -> ArtefactRefused:
    here = version("scikit-learn")
    return ArtefactRefused(problem, remedy=f"Fit and save it with scikit-learn {here}.")


def _feature_count(first: Any) -> int:
    names = getattr(first, "feature_names_in_", None)
    if names is None:
        raise ArtefactRefused(
            "the estimator does not name the features that it was fitted on",
            remedy="Fit it on a DataFrame whose columns are the features.",
        )
    one_row = isinstance(names, np.ndarray) and names.ndim == 1 and len(names) > 0
    if not one_row or not all(isinstance(name, str) for name in names):
        raise ArtefactRefused("feature_names_in_ is not a list of names")
    return len(names)


def _check_scaler(step: Any, features: int) -> None:
    _check_feature_count(step, features)
    if getattr(step, "with_mean", None) is not False:
        _finite_array(step, "mean_", (features,))
    if (
        getattr(step, "with_std", None) is not False
        and not _finite_array(step, "scale_", (features,)).all()
    ):
        raise ArtefactRefused("StandardScaler: scale_ contains 0")


def _check_imputer(step: Any, features: int) -> None:
    _check_feature_count(step, features)
    _finite_array(step, "statistics_", (features,))
    missing = getattr(step, "missing_values", None)
    if not isinstance(missing, float | int) or getattr(step, "add_indicator", False):
        raise ArtefactRefused(
            "SimpleImputer: adds columns, or replaces values that are not numbers"
        )
    for name in ("_fit_dtype", "_fill_dtype"):
        dtype = getattr(step, name, None)
        if not isinstance(dtype, np.dtype) or dtype != np.float64:
            raise ArtefactRefused(f"SimpleImputer: {name} is not float64")


def _check_linear(step: Any, features: int) -> None:
    _check_feature_count(step, features)
    _check_two_classes(step)
    _finite_array(step, "coef_", (1, features))
    _finite_array(step, "intercept_", (1,))


def _check_boosting(step: Any, features: int) -> None:
    _check_feature_count(step, features)
    _check_two_classes(step)
    _finite_array(step, "_baseline_prediction", (1, 1))
    if getattr(step, "_n_features", None) != features or step.n_trees_per_iteration_ != 1:
        raise ArtefactRefused("its trees do not match its number of features or classes")
    for name in ("_preprocessor", "is_categorical_", "_is_categorical_remapped"):
        if getattr(step, name, None) is not None:
            raise ArtefactRefused(
                "it has categorical features, which are not accepted",
                remedy="Encode categories as numbers.",
            )
    _check_attributes(step._bin_mapper)
    categorical = getattr(step._bin_mapper, "is_categorical_", None)
    numeric = np.zeros(features, dtype=np.uint8)
    if not isinstance(categorical, np.ndarray) or not _equal_arrays(categorical, numeric):
        raise ArtefactRefused("its bins do not match its features")
    rounds = step._predictors
    if not isinstance(rounds, list) or not all(
        isinstance(trees, list) and len(trees) == 1 for trees in rounds
    ):
        raise ArtefactRefused("does not have one tree per round")
    for number, (tree,) in enumerate(rounds):
        problem = _tree_problem(tree, features)
        if problem:
            raise ArtefactRefused(f"tree {number}: {problem}")


def _tree_problem(tree: Any, features: int) -> str:
    """The problem with a TreePredictor, or "" if it is valid."""
    if type(tree).__name__ != "TreePredictor" or set(vars(tree)) != {
        *("nodes", "binned_left_cat_bitsets", "raw_left_cat_bitsets")
    }:
        return "is not a tree"
    for bits in (tree.binned_left_cat_bitsets, tree.raw_left_cat_bitsets):
        if not isinstance(bits, np.ndarray) or bits.dtype != np.uint32 or bits.shape != (0, 8):
            return "has categorical splits, which are not accepted"
    nodes = tree.nodes
    if not isinstance(nodes, np.ndarray) or nodes.dtype != _NODE or nodes.ndim != 1:
        return "its nodes have another format"
    if not len(nodes):
        return "has no nodes"
    for flag in ("is_leaf", "missing_go_to_left"):
        if (nodes[flag] > 1).any():
            return f"{flag} is neither 0 nor 1"
    if nodes["is_categorical"].any():
        return "has categorical splits, which are not accepted"
    if not np.isfinite(nodes["value"]).all() or not (nodes["count"] > 0).all():
        return "a node has no finite value, or no training rows"
    split = nodes["is_leaf"] == 0
    used = nodes["feature_idx"][split]
    if ((used < 0) | (used >= features)).any():
        return f"splits on a feature that is not among its {features}"
    if np.isnan(nodes["num_threshold"][split]).any():
        return "a split has no threshold"
    return _links_problem(nodes["left"], nodes["right"], split)


def _links_problem(
    left: NDArray[np.uint32], right: NDArray[np.uint32], split: NDArray[np.bool_]
) -> str:
    """The problem with a tree's links, or "".

    Each node except the root must have exactly one parent, and be reachable from the root.
    """
    children = np.concatenate([left[split], right[split]]).astype(np.int64)
    if (children >= len(split)).any():
        return f"a child index is beyond its {len(split)} nodes"
    parents = np.bincount(children, minlength=len(split))
    if parents[0] or (parents[1:] != 1).any():
        return "a node does not have exactly one parent"
    level, reached = np.zeros(1, dtype=np.int64), 0
    for _ in range(MAX_TREE_DEPTH + 1):
        reached += len(level)
        inner = level[split[level]]
        level = np.concatenate([left[inner], right[inner]]).astype(np.int64)
        if not len(level):
            return "" if reached == len(split) else "some nodes cannot be reached from the root"
    return f"is deeper than {MAX_TREE_DEPTH} splits"


def _check_feature_count(step: Any, features: int) -> None:
    if getattr(step, "n_features_in_", None) != features:
        raise ArtefactRefused(
            f"{type(step).__name__} was not fitted on the {features} features that are named"
        )


def _check_two_classes(step: Any) -> None:
    classes = getattr(step, "classes_", None)
    if not isinstance(classes, np.ndarray) or classes.shape != (2,):
        raise ArtefactRefused(f"{type(step).__name__} does not have two classes")


def _equal_arrays(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return one.dtype == other.dtype and np.array_equal(one, other)


def _finite_array(step: Any, name: str, shape: tuple[int, ...]) -> NDArray[np.floating[Any]]:
    """A fitted array; raises unless it has the shape and is finite."""
    values = getattr(step, name, None)
    if (
        not isinstance(values, np.ndarray)
        or values.shape != shape
        or values.dtype not in (np.float64, np.float32)
        or not np.isfinite(values).all()
    ):
        raise ArtefactRefused(
            f"{type(step).__name__}: {name} is not an array of finite numbers of shape {shape}"
        )
    return values
