"""LightGBM's text format of a model, read strictly.

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
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from spotlab.errors import ArtefactRefused
from spotlab.inference.tree_limits import TreeLimits
from spotlab.inference.tree_text import (
    INT32_MAX,
    NUMBER,
    Tree,
    integers,
    not_written,
    read_tree,
    shown,
)

_MOST_FEATURES: Final = 100_000
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
"""Those that give one number a row, as they write themselves."""
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
    count = len(header["tree_sizes"].split(" ", limits.trees)) if header["tree_sizes"] else 0
    if not 1 <= count <= limits.trees:
        raise not_written("header", f"tree_sizes has {count} entries, not 1 to {limits.trees}")
    sizes = integers("header", "tree_sizes", header["tree_sizes"], 1, INT32_MAX, count)
    bounds = list(accumulate(sizes, initial=len(head) + len(blank)))
    trees, leaves = list[Tree](), 0
    for number, (begin, end) in enumerate(pairwise(bounds)):
        tree = read_tree(number, text[begin:end], len(names), limits)
        trees.append(tree)
        leaves += len(tree.leaf_value)
        if leaves > limits.leaves:
            raise not_written("The model", f"has more than {limits.leaves} leaves")
    rest = _REST.fullmatch(text, bounds[-1])
    if rest is None:
        raise ArtefactRefused(
            "After its trees stands what LightGBM does not write there",
            remedy="After `end of trees`: feature_importances, parameters, pandas_categorical.",
        )
    linear = _LINEAR_PARAMETER.search(rest["parameters"] or "") is not None
    return TreeModel(names, trees, linear or any(tree.linear for tree in trees))


def _plain_text(content: bytes, limits: TreeLimits) -> str:
    if len(content) > limits.text_mb * 2**20:
        raise not_written(
            "The model", f"has {len(content)} bytes; at most {limits.text_mb:g} MB are read"
        )
    if not content.startswith((b"tree\n", b"tree\r")):
        raise ArtefactRefused("is no LightGBM text model", remedy="It starts with 'tree'.")
    odd = content.translate(None, _PRINTABLE)
    if odd:
        line = content.count(b"\n", 0, content.index(odd[:1])) + 1
        why = "a carriage return" if odd[:1] == b"\r" else f"the byte {odd[0]:#04x}"
        raise not_written(f"Line {line}", f"holds {why}, not printable ASCII alone")
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
            raise not_written("header", f"{shown(line)} stands where {key} belongs")
    if line is not None:
        raise not_written("header", f"{shown(line)} stands behind tree_sizes")
    for key, only in (("version", "v4"), ("num_class", "1"), ("num_tree_per_iteration", "1")):
        if header[key] != only:
            raise not_written("header", f"{key} is {shown(header[key])}; only {only} is read")
    if not _OBJECTIVE.fullmatch(header.get("objective", "regression")):
        raise not_written("header", f"objective {shown(header['objective'])} is not read")
    return header


def _read_features(header: dict[str, str]) -> tuple[str, ...]:
    integers("header", "label_index", header["label_index"], 0, INT32_MAX, 1)
    [last] = integers(
        "header", "max_feature_idx", header["max_feature_idx"], 0, _MOST_FEATURES - 1, 1
    )
    names, infos = (
        _entries(key, header[key], last + 1) for key in ("feature_names", "feature_infos")
    )
    for info in infos:
        if not _FEATURE_INFO.fullmatch(info):
            raise not_written("header", f"feature_infos holds {shown(info)}")
    if "monotone_constraints" in header:
        value = header["monotone_constraints"]
        integers("header", "monotone_constraints", value, -1, 1, last + 1)
    return tuple(names)


def _entries(key: str, value: str, count: int) -> list[str]:
    found = value.count(" ") + 1
    if found != count:
        raise not_written("header", f"{key} has {found} entries, max_feature_idx says {count}")
    entries = value.split(" ")
    if "" in entries or "=" in value:
        raise not_written("header", f"{key} holds '' or '='")
    return entries
