"""One tree of LightGBM's text format, read strictly.

Key after key and number after number, in the order and the spelling of `Tree::ToString`; what its
numbers mean is checked in `tree_structure`.
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
"""As C writes a double with %.17g, between 1e-307 and 1e308: LightGBM's reader of linear trees ends
the process on a number that a double cannot hold in full."""
_INTEGER: Final = r"0|-?+[1-9][0-9]{0,9}+"
_NUMBERS: Final = re.compile(rf"(?:(?:{NUMBER}) )*+(?:{NUMBER})")
_INTEGERS: Final = re.compile(rf"(?:(?:{_INTEGER}) )*+(?:{_INTEGER})")


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree of n leaves and n - 1 inner nodes, as LightGBM holds it.

    Args:
        split_feature: column that each inner node asks for.
        threshold: of each inner node; an index into `cat_boundaries` where it is categorical.
        decision_type: of each inner node: bit 0 categorical, bit 1 unknown values go left, bits 2
            and 3 what is unknown (0 nothing, 1 zero, 2 NaN).
        left_child, right_child: of each inner node: i >= 0 is inner node i, i < 0 leaf -i - 1.
        leaf_value: of each leaf.
        leaf_count, internal_count: training rows of each leaf and inner node.
        cat_boundaries: where each set of categories begins in `cat_threshold`, and the end.
        cat_threshold: bit sets of 32 categories each.
        linear: whether a leaf holds a linear model.
        leaf_features: columns that each leaf's linear model asks for.
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


def not_written(where: str, problem: str) -> ArtefactRefused:
    """The refusal of what LightGBM does not write."""
    return ArtefactRefused(
        f"{where}: {problem}" if where != "The model" else f"The model {problem}",
        remedy="Save the model again with LightGBM 4 (Booster.save_model) and change nothing.",
    )


def read_tree(number: int, block: str, features: int, limits: TreeLimits) -> Tree:
    """Read one tree.

    Args:
        number: of the tree, from 0.
        block: its text, from "Tree=" to the two empty lines behind it.
        features: how many columns the model has.
        limits: how many leaves it may have.
    Raises:
        ArtefactRefused: not what LightGBM writes, or an index that is out of range; says where.
    """
    where = f"Tree {number}"
    begin, end = f"Tree={number}\n", "\n\n\n"
    if not (block.startswith(begin) and block.endswith(end)):
        raise not_written(where, "does not begin and end where tree_sizes says")
    lines = iter(block[len(begin) : -len(end)].split("\n"))

    def ints(key: str, low: int, high: int, count: int) -> list[int]:
        return integers(where, key, _value(where, lines, key), low, high, count)

    def floats(key: str, count: int) -> list[float]:
        return list(map(float, unread(key, count)))

    def unread(key: str, count: int) -> list[str]:
        """Numbers that no prediction and no explanation asks for."""
        return _tokens(where, key, _value(where, lines, key), _NUMBERS, count)

    [leaves] = ints("num_leaves", 1, limits.leaves_per_tree, 1)
    inner = leaves - 1
    [sets] = ints("num_cat", 0, inner, 1)
    split_feature = ints("split_feature", 0, features - 1, inner)
    unread("split_gain", inner)
    threshold = floats("threshold", inner)
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
    unread("internal_value", inner)
    unread("internal_weight", inner)
    internal_count = ints("internal_count", 0, INT32_MAX, inner)
    boundaries, bits = [0], list[int]()
    if sets:
        boundaries = ints("cat_boundaries", 0, INT32_MAX, sets + 1)
        bits = ints("cat_threshold", 0, UINT32_MAX, boundaries[-1])
    [linear] = ints("is_linear", 0, 1, 1)
    leaf_features = _linear_leaves(where, lines, leaves, features) if linear else []
    unread("shrinkage", 1)
    for line in lines:
        raise not_written(where, f"{shown(line)} stands behind shrinkage")
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
    each = integers(where, "num_features", value, 0, features, leaves)
    columns = _by_leaf(where, "leaf_features", _value(where, lines, "leaf_features"), each)
    slopes = _by_leaf(where, "leaf_coeff", _value(where, lines, "leaf_coeff"), each)
    _tokens(where, "leaf_coeff", slopes, _NUMBERS, sum(each))
    return integers(where, "leaf_features", columns, 0, features - 1, sum(each))


def _by_leaf(where: str, key: str, value: str, each: list[int]) -> str:
    """The numbers alone; LightGBM writes a blank behind each, and one more behind each leaf."""
    ends = list(accumulate(each, initial=0))
    numbers = value.split(maxsplit=ends[-1])
    if len(numbers) != ends[-1]:
        raise not_written(where, f"{key} has {len(numbers)} values, num_features says {ends[-1]}")
    written = "".join(
        "".join(f"{number} " for number in numbers[a:b]) + " " for a, b in pairwise(ends)
    )
    if written != value:
        raise not_written(where, f"{key} is not grouped as num_features says")
    return " ".join(numbers)


def _value(where: str, lines: Iterator[str], key: str) -> str:
    line = next(lines, "")
    if not line.startswith(key + "="):
        raise not_written(where, f"{shown(line)} stands where {key} belongs")
    return line[len(key) + 1 :]


def integers(where: str, key: str, value: str, low: int, high: int, count: int) -> list[int]:
    """So many integers within a range.

    Raises:
        ArtefactRefused: others, or not spelled as LightGBM does.
    """
    numbers = list(map(int, _tokens(where, key, value, _INTEGERS, count)))
    if numbers and (min(numbers) < low or max(numbers) > high):
        worst = next(number for number in numbers if not low <= number <= high)
        raise not_written(where, f"{key} holds {worst}, outside {low} to {high}")
    return numbers


def _tokens(where: str, key: str, value: str, pattern: re.Pattern[str], count: int) -> list[str]:
    if value and not pattern.fullmatch(value):
        good = pattern.match(value)
        odd = value[good.end() if good else 0 :]
        raise not_written(where, f"{key} holds {shown(odd)}, not numbers with a blank between")
    found = value.count(" ") + 1 if value else 0
    if found != count:
        raise not_written(where, f"{key} has {found} values, not {count}")
    return value.split(" ") if value else []


def shown(part: str | None) -> str:
    """The beginning of a text, for a message."""
    return repr((part or "")[:60])
