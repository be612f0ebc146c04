"""Strict parser of LightGBM's text format.

LightGBM's own parser trusts its input: it skips unknown keys, uses the last of two equal keys,
reads integers modulo 2^32, and searches for the end of a line beyond the end of the text. This
parser accepts only what LightGBM 4 writes, key by key and number by number, in ASCII, so that no
text can be interpreted in two ways. The structure of the trees is checked in `tree_structure`.

Source: LightGBM 4.7, `GBDT::SaveModelToString` and `Tree::ToString` (writing),
`GBDT::LoadModelFromString` and `Tree::Tree(const char*, size_t*)` (reading).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from spotlab.errors import ArtefactRefused
from spotlab.inference.tree_limits import TreeLimits
from spotlab.inference.tree_text import (
    INT32_MAX,
    NUMBER,
    Tree,
    excerpt,
    format_error,
    integers,
    read_tree,
)

_MAX_FEATURES: Final = 100_000
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
    rf"binary sigmoid:(?=[^-])(?:{NUMBER})|(?:regression|regression_l1|huber|fair|quantile|mape)"
    r"(?: sqrt)?|poisson|gamma|tweedie|cross_entropy|cross_entropy_lambda|lambdarank|rank_xendcg"
)
"""Objectives with one output per row, as LightGBM writes them."""
_FEATURE_INFO: Final = re.compile(r"none|\[[-+.a-z0-9]+:[-+.a-z0-9]+\]|-?[0-9]+(?::-?[0-9]+)*+")
_CATEGORIES: Final = r'\[(?:[^][\n"]|"(?:[^"\\\n]|\\[^\n])*+")*+\]'
_REST: Final = re.compile(
    r"end of trees\n"
    r"\nfeature_importances:\n(?:[^\n=]+=[0-9]+\n)*+"
    r"(?:\nparameters:\n(?P<parameters>(?:\[[a-z0-9_]+: [^\n]*\]\n)*+)\nend of parameters\n)?"
    rf"(?:\npandas_categorical:(?:null|\[(?:{_CATEGORIES}(?:, {_CATEGORIES})*+)?\])\n)?"
)
_LINEAR_PARAMETER: Final = re.compile(r"^\[linear_tree: (?!0\]$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TreeModel:
    """A parsed model.

    Args:
        feature_names: names of its columns, in order.
        trees: the raw score is the sum of their values.
        linear: whether it was trained with linear trees, which LightGBM cannot explain.
        objective: as LightGBM writes it; "": the text names none.
        averaged: whether the score is the mean of the trees' values, as of boosting=rf.
        feature_infos: what was seen of each column in training, as LightGBM writes it.
    """

    feature_names: tuple[str, ...]
    trees: list[Tree]
    linear: bool
    objective: str = ""
    averaged: bool = False
    feature_infos: tuple[str, ...] = ()

    def range_of(self, column: int) -> tuple[float, float] | None:
        """Smallest and largest value of a numerical column in training; None: it did not vary."""
        low, _, high = self.feature_infos[column].strip("[]").partition(":")
        return (float(low), float(high)) if self.feature_infos[column].startswith("[") else None


def read_trees(content: bytes, limits: TreeLimits) -> TreeModel:
    """Parse a model's text.

    Args:
        content: the file.
        limits: sizes that are checked before objects are built.
    Raises:
        ArtefactRefused: the text is not in LightGBM's format, or too large; names the place.
    """
    text = _decode(content, limits)
    head, blank, _ = text.partition("\n\n")
    header = _read_header(head.split("\n"))
    names, infos = _read_features(header)
    count = len(header["tree_sizes"].split(" ", limits.trees)) if header["tree_sizes"] else 0
    if not 1 <= count <= limits.trees:
        raise format_error("header", f"tree_sizes has {count} entries, not 1 to {limits.trees}")
    sizes = integers("header", "tree_sizes", header["tree_sizes"], 1, INT32_MAX, count)
    bounds = list(accumulate(sizes, initial=len(head) + len(blank)))
    trees, leaves = list[Tree](), 0
    for number, (begin, end) in enumerate(pairwise(bounds)):
        tree = read_tree(number, text[begin:end], len(names), limits)
        trees.append(tree)
        leaves += len(tree.leaf_value)
        if leaves > limits.leaves:
            raise format_error("The model", f"has more than {limits.leaves} leaves")
    rest = _REST.fullmatch(text, bounds[-1])
    if rest is None:
        raise ArtefactRefused(
            "The text after its trees is not what LightGBM writes",
            remedy="After `end of trees`, only feature_importances, parameters and "
            "pandas_categorical are accepted.",
        )
    linear = _LINEAR_PARAMETER.search(rest["parameters"] or "") is not None
    linear = linear or any(tree.linear for tree in trees)
    averaged = "average_output" in header
    return TreeModel(names, trees, linear, header.get("objective", ""), averaged, infos)


def _decode(content: bytes, limits: TreeLimits) -> str:
    if len(content) > limits.text_mb * 2**20:
        raise format_error(
            "The model", f"has {len(content)} bytes; at most {limits.text_mb:g} MB are accepted"
        )
    if not content.startswith((b"tree\n", b"tree\r")):
        raise ArtefactRefused(
            "is not a LightGBM text model", remedy="A text model starts with 'tree'."
        )
    unexpected = content.translate(None, _PRINTABLE)
    if unexpected:
        line = content.count(b"\n", 0, content.index(unexpected[:1])) + 1
        problem = (
            "a carriage return" if unexpected[:1] == b"\r" else f"the byte {unexpected[0]:#04x}"
        )
        raise format_error(f"Line {line}", f"contains {problem}; only printable ASCII is accepted")
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
            raise format_error("header", f"{excerpt(line)} is in the place of {key}")
    if line is not None:
        raise format_error("header", f"{excerpt(line)} follows tree_sizes")
    if header["num_class"].isdecimal() and int(header["num_class"]) > 1:
        raise ArtefactRefused(
            f"header: num_class is {excerpt(header['num_class'])}; only 1 is accepted",
            remedy="Train one model of one probability: objective=binary or cross_entropy.",
        )
    for key, only in (("version", "v4"), ("num_class", "1"), ("num_tree_per_iteration", "1")):
        if header[key] != only:
            raise format_error(
                "header", f"{key} is {excerpt(header[key])}; only {only} is accepted"
            )
    if not _OBJECTIVE.fullmatch(header.get("objective", "regression")):
        raise format_error("header", f"objective {excerpt(header['objective'])} is not accepted")
    return header


def _read_features(header: dict[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns' names, and what was seen of each in training."""
    integers("header", "label_index", header["label_index"], 0, INT32_MAX, 1)
    [last] = integers(
        "header", "max_feature_idx", header["max_feature_idx"], 0, _MAX_FEATURES - 1, 1
    )
    names, infos = (
        _split_entries(key, header[key], last + 1) for key in ("feature_names", "feature_infos")
    )
    for info in infos:
        if not _FEATURE_INFO.fullmatch(info):
            raise format_error("header", f"feature_infos contains {excerpt(info)}")
    if "monotone_constraints" in header:
        value = header["monotone_constraints"]
        integers("header", "monotone_constraints", value, -1, 1, last + 1)
    return tuple(names), tuple(infos)


def _split_entries(key: str, value: str, count: int) -> list[str]:
    entry_count = value.count(" ") + 1
    if entry_count != count:
        raise format_error(
            "header", f"{key} has {entry_count} entries, but max_feature_idx requires {count}"
        )
    entries = value.split(" ")
    if "" in entries or "=" in value:
        raise format_error("header", f"{key} contains an empty entry or '='")
    return entries
