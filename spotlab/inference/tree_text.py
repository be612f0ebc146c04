"""LightGBM's text format of a model, read strictly. Inference floor: pure, imports no LightGBM.

LightGBM's own reader trusts a text: it skips what it does not know, takes the last of two equal
keys, counts an integer modulo 2^32, and looks for the end of a line beyond the end of the text.
Here only what LightGBM 4 writes is read, key after key and number after number, in ASCII: a text
that two readers could understand in two ways is refused. What the trees mean is checked in
`tree_structure`.

Source: `GBDT::SaveModelToString` and `Tree::ToString` of LightGBM 4.7 for what is written,
`GBDT::LoadModelFromString` and `Tree::Tree(const char*, size_t*)` for what is read.
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
_NUMBER: Final = (
    r"-?+(?:0|[1-9][0-9]{0,16}+)(?:\.[0-9]{1,22}+)?+(?![0-9e])"
    r"|-?+[1-9](?:\.[0-9]{1,16}+)?+e(?:-[0-9]{2,3}+|\+(?:[0-9]{2}(?![0-9])|[12][0-9]{2}|30[0-7]))"
)
"""As C writes a double with %.17g; below 1e308, so that no reader makes it infinite."""
_INTEGER: Final = r"0|-?+[1-9][0-9]{0,9}+"
_NUMBERS: Final = re.compile(rf"(?:(?:{_NUMBER}) )*+(?:{_NUMBER})")
_INTEGERS: Final = re.compile(rf"(?:(?:{_INTEGER}) )*+(?:{_INTEGER})")
_PRINTABLE: Final = bytes([10, *range(32, 127)])
_HEADER: Final = (
    "version",
    "num_class",
    "num_tree_per_iteration",
    "label_index",
    "max_feature_idx",
    "objective",
    "average_output",
    "feature_names",
    "monotone_constraints",
    "feature_infos",
    "tree_sizes",
)
_OPTIONAL: Final = frozenset({"objective", "average_output", "monotone_constraints"})
_OBJECTIVE: Final = re.compile(
    rf"binary sigmoid:(?=[^-])(?:{_NUMBER})|regression(?: sqrt)?|regression_l1|quantile|huber|fair"
    r"|poisson|mape|gamma|tweedie|cross_entropy|cross_entropy_lambda|lambdarank|rank_xendcg"
)
"""Those that give one number a row, as they write themselves."""
_FEATURE_INFO: Final = re.compile(r"none|\[[-+.a-z0-9]+:[-+.a-z0-9]+\]|-?[0-9]+(?::-?[0-9]+)*+")
_REST: Final = re.compile(
    r"end of trees\n"
    r"\nfeature_importances:\n(?:[^\n]+=[0-9]+\n)*+"
    r"(?:\nparameters:\n(?P<parameters>(?:\[[a-z0-9_]+: [^\n]*\]\n)*+)\nend of parameters\n)?"
    r"(?:\npandas_categorical:(?:null|\[(?:\[[^][\n]*\](?:, \[[^][\n]*\])*+)?\])\n)?"
)
_LINEAR_PARAMETER: Final = re.compile(r"^\[linear_tree: (?!0\]$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree of n leaves and n - 1 inner nodes, as LightGBM holds it.

    Args:
        split_feature: column that each inner node asks for.
        threshold: of each inner node; an index into `categories` where it is categorical.
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


@dataclass(frozen=True, slots=True)
class TreeModel:
    """What a text says.

    Args:
        feature_names: of its columns, in order.
        trees: their values add up to the raw score.
        linear: whether it was trained with linear trees, which LightGBM cannot explain.
    """

    feature_names: tuple[str, ...]
    trees: list[Tree]
    linear: bool


def read_trees(content: bytes, limits: TreeLimits) -> TreeModel:
    """Read a model's text.

    Args:
        content: the file.
        limits: sizes that are refused before anything is built of them.
    Raises:
        ArtefactRefused: not what LightGBM writes, or too large; says where.
    """
    text = _plain_text(content, limits)
    head, blank, _ = text.partition("\n\n")
    header = _read_header(head.split("\n"))
    names = _read_features(header)
    sizes = _integers("header", "tree_sizes", header["tree_sizes"], 1, INT32_MAX)
    if not 1 <= len(sizes) <= limits.trees:
        raise _refused("header", f"has {len(sizes)} trees; 1 to {limits.trees} are read")
    bounds = list(accumulate(sizes, initial=len(head) + len(blank)))
    trees = [
        _read_tree(number, text[begin:end], len(names), limits)
        for number, (begin, end) in enumerate(pairwise(bounds))
    ]
    leaves = sum(len(tree.leaf_value) for tree in trees)
    if leaves > limits.leaves:
        raise _refused("The model", f"has {leaves} leaves; at most {limits.leaves} are read")
    rest = _REST.fullmatch(text, bounds[-1])
    if rest is None:
        raise ArtefactRefused(
            "After its trees stands what LightGBM does not write there",
            remedy="After `end of trees`: feature_importances, parameters, pandas_categorical.",
        )
    linear = _LINEAR_PARAMETER.search(rest["parameters"] or "") is not None
    return TreeModel(names, trees, linear or any(tree.linear for tree in trees))


def _refused(where: str, problem: str) -> ArtefactRefused:
    return ArtefactRefused(
        f"{where}: {problem}" if where != "The model" else f"The model {problem}",
        remedy="Save the model again with LightGBM 4 (Booster.save_model) and change nothing.",
    )


def _plain_text(content: bytes, limits: TreeLimits) -> str:
    if len(content) > limits.text_mb * 2**20:
        raise _refused(
            "The model", f"has {len(content)} bytes; at most {limits.text_mb:g} MB are read"
        )
    if not content.startswith(b"tree\n"):
        raise ArtefactRefused("is no LightGBM text model", remedy="It starts with 'tree'.")
    odd = content.translate(None, _PRINTABLE)
    if odd:
        line = content.count(b"\n", 0, content.index(odd[:1])) + 1
        raise _refused(f"Line {line}", f"holds the byte {odd[0]:#04x}; text is printable ASCII")
    return content.decode("ascii")


def _read_header(lines: list[str]) -> dict[str, str]:
    header: dict[str, str] = {}
    rest = iter(lines[1:])
    line = next(rest, None)
    for key in _HEADER:
        found, equals, value = (line or "").partition("=")
        if found == key and bool(equals) == (key != "average_output"):
            header[key] = value
            line = next(rest, None)
        elif key not in _OPTIONAL:
            raise _refused("header", f"{_shown(line)} stands where {key} belongs")
    if line is not None:
        raise _refused("header", f"{_shown(line)} stands behind tree_sizes")
    for key, only in (("version", "v4"), ("num_class", "1"), ("num_tree_per_iteration", "1")):
        if header[key] != only:
            raise _refused("header", f"{key} is {_shown(header[key])}; only {only} is read")
    if not _OBJECTIVE.fullmatch(header.get("objective", "regression")):
        raise _refused("header", f"objective {_shown(header['objective'])} is not read")
    return header


def _read_features(header: dict[str, str]) -> tuple[str, ...]:
    _integers("header", "label_index", header["label_index"], 0, INT32_MAX, count=1)
    [last] = _integers("header", "max_feature_idx", header["max_feature_idx"], 0, 10**6, count=1)
    names, infos = (header[key].split(" ") for key in ("feature_names", "feature_infos"))
    for key, values in (("feature_names", names), ("feature_infos", infos)):
        if len(values) != last + 1 or "" in values:
            raise _refused(
                "header", f"{key} has {len(values)} entries, max_feature_idx says {last + 1}"
            )
    for info in infos:
        if not _FEATURE_INFO.fullmatch(info):
            raise _refused("header", f"feature_infos holds {_shown(info)}")
    if "monotone_constraints" in header:
        value = header["monotone_constraints"]
        _integers("header", "monotone_constraints", value, -1, 1, count=last + 1)
    return tuple(names)


def _read_tree(number: int, block: str, features: int, limits: TreeLimits) -> Tree:
    where = f"Tree {number}"
    begin, end = f"Tree={number}\n", "\n\n\n"
    if not (block.startswith(begin) and block.endswith(end)):
        raise _refused(where, "does not begin and end where tree_sizes says")
    lines = iter(block[len(begin) : -len(end)].split("\n"))

    def ints(key: str, low: int, high: int, count: int) -> list[int]:
        return _integers(where, key, _value(where, lines, key), low, high, count)

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
    leaf_count = _integers(
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
        raise _refused(where, f"{_shown(line)} stands behind shrinkage")
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
    each = _integers(where, "num_features", value, 0, features, leaves)
    columns = _by_leaf(where, "leaf_features", _value(where, lines, "leaf_features"), each)
    slopes = _by_leaf(where, "leaf_coeff", _value(where, lines, "leaf_coeff"), each)
    _tokens(where, "leaf_coeff", slopes, _NUMBERS, sum(each))
    return _integers(where, "leaf_features", columns, 0, features - 1, sum(each))


def _by_leaf(where: str, key: str, value: str, each: list[int]) -> str:
    """The numbers alone; LightGBM writes a blank behind each, and one more behind each leaf."""
    numbers = value.split()
    ends = list(accumulate(each, initial=0))
    if len(numbers) != ends[-1]:
        raise _refused(where, f"{key} has {len(numbers)} values, num_features says {ends[-1]}")
    written = "".join(
        "".join(f"{number} " for number in numbers[a:b]) + " " for a, b in pairwise(ends)
    )
    if written != value:
        raise _refused(where, f"{key} is not grouped as num_features says")
    return " ".join(numbers)


def _value(where: str, lines: Iterator[str], key: str) -> str:
    line = next(lines, "")
    if not line.startswith(key + "="):
        raise _refused(where, f"{_shown(line)} stands where {key} belongs")
    return line[len(key) + 1 :]


def _integers(
    where: str, key: str, value: str, low: int, high: int, count: int | None = None
) -> list[int]:
    numbers = list(map(int, _tokens(where, key, value, _INTEGERS, count)))
    if numbers and (min(numbers) < low or max(numbers) > high):
        worst = next(number for number in numbers if not low <= number <= high)
        raise _refused(where, f"{key} holds {worst}, outside {low} to {high}")
    return numbers


def _tokens(
    where: str, key: str, value: str, pattern: re.Pattern[str], count: int | None
) -> list[str]:
    if value and not pattern.fullmatch(value):
        good = pattern.match(value)
        odd = value[good.end() if good else 0 :]
        raise _refused(where, f"{key} holds {_shown(odd)}, not numbers with a blank between")
    tokens = value.split(" ") if value else []
    if count is not None and len(tokens) != count:
        raise _refused(where, f"{key} has {len(tokens)} values, not {count}")
    return tokens


def _shown(part: str | None) -> str:
    return repr((part or "")[:60])
