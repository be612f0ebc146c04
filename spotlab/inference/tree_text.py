"""Strict parser of one tree in LightGBM's text format.

It accepts the keys and numbers in the order and format of `Tree::ToString`. The structure of the
tree is checked in `tree_structure`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from spotlab.errors import ArtefactRefused
from spotlab.inference.tree_limits import TreeLimits

INT32_MAX: Final = 2**31 - 1
UINT32_MAX: Final = 2**32 - 1
NUMBER: Final = (
    r"-?+(?:0|[1-9][0-9]{0,16}+)(?:\.[0-9]{1,22}+)?+(?![0-9e])"
    r"|-?+[1-9](?:\.[0-9]{1,16}+)?+e[+-](?:[0-9]{2}(?![0-9])|[12][0-9]{2}|30[0-7])"
)
"""A double in C's format %.17g, between 1e-307 and 1e308: LightGBM's parser of linear trees aborts
the process on numbers outside the range of normal doubles."""
_THRESHOLDS: Final = re.compile(rf"(?:(?:{NUMBER}|inf) )*+(?:{NUMBER}|inf)")
"""An infinite threshold separates the unknown values from all others."""
_INTEGER: Final = r"0|-?+[1-9][0-9]{0,9}+"
_NUMBERS: Final = re.compile(rf"(?:(?:{NUMBER}) )*+(?:{NUMBER})")
_INTEGERS: Final = re.compile(rf"(?:(?:{_INTEGER}) )*+(?:{_INTEGER})")


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree with n leaves and n - 1 inner nodes, in LightGBM's representation.

    Args:
        split_feature: column of each inner node.
        threshold: threshold of each inner node; if it is categorical, an index into
            `cat_boundaries`.
        decision_type: bits of each inner node: 0: categorical; 1: unknown values go left; 2 and 3:
            the unknown values (0: none, 1: zero, 2: NaN).
        left_child, right_child: children of each inner node: i >= 0 is inner node i, i < 0 is leaf
            -i - 1.
        leaf_value: value of each leaf.
        leaf_count, internal_count: training rows of each leaf and inner node.
        cat_boundaries: start of each category set in `cat_threshold`, and the end.
        cat_threshold: bit sets of 32 categories each.
        linear: whether the leaves contain linear models.
        leaf_features: columns of the leaves' linear models.
    """

    split_feature: list[int]
    threshold: list[float]
    decision_type: list[int]
    left_child: list[int]
    right_child: list[int]
    leaf_value: list[float]
    leaf_count: list[int]
    internal_count: list[int]
    cat_boundaries: list[int]
    cat_threshold: list[int]
    linear: bool
    leaf_features: list[int]


def format_error(where: str, problem: str) -> ArtefactRefused:
    """The error for text that LightGBM does not write."""
    return ArtefactRefused(
        f"{where}: {problem}" if where != "The model" else f"The model {problem}",
        remedy="Save the model again with LightGBM 4 (Booster.save_model) and do not edit it.",
    )


def read_tree(number: int, block: str, features: int, limits: TreeLimits) -> Tree:
    """Parse one tree.

    Args:
        number: number of the tree, from 0.
        block: its text, from "Tree=" to the two empty lines after it.
        features: number of the model's columns.
        limits: largest number of leaves.
    Raises:
        ArtefactRefused: the text is not in LightGBM's format, or an index is out of range; names
            the place.
    """
    where = f"Tree {number}"
    begin, end = f"Tree={number}\n", "\n\n\n"
    if not (block.startswith(begin) and block.endswith(end)):
        raise format_error(where, "does not begin and end at the positions in tree_sizes")
    lines = iter(block[len(begin) : -len(end)].split("\n"))

    def ints(key: str, low: int, high: int, count: int) -> list[int]:
        return integers(where, key, _value(where, lines, key), low, high, count)

    def floats(key: str, count: int) -> list[float]:
        return list(map(float, skip_floats(key, count)))

    def skip_floats(key: str, count: int) -> list[str]:
        """Numbers that neither predictions nor explanations use."""
        return _tokens(where, key, _value(where, lines, key), _NUMBERS, count)

    [leaves] = ints("num_leaves", 1, limits.leaves_per_tree, 1)
    inner = leaves - 1
    [sets] = ints("num_cat", 0, inner, 1)
    split_feature = ints("split_feature", 0, features - 1, inner)
    skip_floats("split_gain", inner)
    thresholds = _value(where, lines, "threshold")
    threshold = list(map(float, _tokens(where, "threshold", thresholds, _THRESHOLDS, inner)))
    decision_type = ints("decision_type", 0, 11, inner)
    left_child = ints("left_child", -(2**31), INT32_MAX, inner)
    right_child = ints("right_child", -(2**31), INT32_MAX, inner)
    leaf_value = floats("leaf_value", leaves)
    weights = _value(where, lines, "leaf_weight")
    _tokens(where, "leaf_weight", weights, _NUMBERS, leaves if weights or inner else 0)
    counts = _value(where, lines, "leaf_count")
    leaf_count = integers(
        where, "leaf_count", counts, 0, INT32_MAX, leaves if counts or inner else 0
    )
    skip_floats("internal_value", inner)
    skip_floats("internal_weight", inner)
    internal_count = ints("internal_count", 0, INT32_MAX, inner)
    boundaries, bits = [0], list[int]()
    if sets:
        boundaries = ints("cat_boundaries", 0, INT32_MAX, sets + 1)
        bits = ints("cat_threshold", 0, UINT32_MAX, boundaries[-1])
    [linear] = ints("is_linear", 0, 1, 1)
    leaf_features = _linear_leaves(where, lines, leaves, features) if linear else []
    skip_floats("shrinkage", 1)
    for line in lines:
        raise format_error(where, f"{excerpt(line)} follows shrinkage")
    return Tree(
        split_feature=split_feature,
        threshold=threshold,
        decision_type=decision_type,
        left_child=left_child,
        right_child=right_child,
        leaf_value=leaf_value,
        leaf_count=leaf_count,
        internal_count=internal_count,
        cat_boundaries=boundaries,
        cat_threshold=bits,
        linear=bool(linear),
        leaf_features=leaf_features,
    )


def _linear_leaves(where: str, lines: Iterator[str], leaves: int, features: int) -> list[int]:
    """The columns of the linear models in a tree's leaves, in the leaves' order."""
    _tokens(where, "leaf_const", _value(where, lines, "leaf_const"), _NUMBERS, leaves)
    value = _value(where, lines, "num_features")
    counts = integers(where, "num_features", value, 0, features, leaves)
    columns = _leaf_groups(where, "leaf_features", _value(where, lines, "leaf_features"), counts)
    slopes = _leaf_groups(where, "leaf_coeff", _value(where, lines, "leaf_coeff"), counts)
    _tokens(where, "leaf_coeff", slopes, _NUMBERS, sum(counts))
    return integers(where, "leaf_features", columns, 0, features - 1, sum(counts))


def _leaf_groups(where: str, key: str, value: str, counts: list[int]) -> str:
    """The numbers only; LightGBM writes a space after each number, and another after each leaf."""
    ends = list(accumulate(counts, initial=0))
    numbers = value.split(maxsplit=ends[-1])
    if len(numbers) != ends[-1]:
        raise format_error(
            where, f"{key} has {len(numbers)} values, but num_features requires {ends[-1]}"
        )
    written = "".join(
        "".join(f"{number} " for number in numbers[a:b]) + " " for a, b in pairwise(ends)
    )
    if written != value:
        raise format_error(where, f"{key} is not grouped as in num_features")
    return " ".join(numbers)


def _value(where: str, lines: Iterator[str], key: str) -> str:
    line = next(lines, "")
    if not line.startswith(key + "="):
        raise format_error(where, f"{excerpt(line)} is in the place of {key}")
    return line[len(key) + 1 :]


def integers(where: str, key: str, value: str, low: int, high: int, count: int) -> list[int]:
    """Parse `count` integers from `low` to `high`.

    Raises:
        ArtefactRefused: the count, a value or the format is wrong.
    """
    numbers = list(map(int, _tokens(where, key, value, _INTEGERS, count)))
    if numbers and (min(numbers) < low or max(numbers) > high):
        worst = next(number for number in numbers if not low <= number <= high)
        raise format_error(where, f"{key} contains {worst}, outside {low} to {high}")
    return numbers


def _tokens(where: str, key: str, value: str, pattern: re.Pattern[str], count: int) -> list[str]:
    if value and not pattern.fullmatch(value):
        valid = pattern.match(value)
        unexpected = value[valid.end() if valid else 0 :]
        raise format_error(
            where, f"{key} contains {excerpt(unexpected)} instead of numbers separated by spaces"
        )
    value_count = value.count(" ") + 1 if value else 0
    if value_count != count:
        raise format_error(where, f"{key} has {value_count} values, not {count}")
    return value.split(" ") if value else []


def excerpt(part: str | None) -> str:
    """The beginning of a text, for an error message."""
    return repr((part or "")[:60])
