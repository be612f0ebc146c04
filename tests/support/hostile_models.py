"""Hostile model artefacts, whose trees would make native code crash, hang or leak memory.

They are the shipped models with an additional tree, or with one changed value; sizes and checksums
are correct, so that only a check of the trees can detect them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

SHIPPED: Final = Path(__file__).resolve().parents[2] / "models"
ADVISOR: Final = SHIPPED / "advisor-lgbm" / "1.2.0"
CAPACITY: Final = SHIPPED / "capacity-lgbm" / "1.0.1"
_PLAIN_TREE: Final = {
    "num_leaves": "3",
    "num_cat": "0",
    "split_feature": "1 1",
    "split_gain": "1 1",
    "threshold": "50 500",
    "decision_type": "2 2",
    "left_child": "-1 -2",
    "right_child": "1 -3",
    "leaf_value": "0 0.25 0.5",
    "leaf_weight": "10 10 10",
    "leaf_count": "10 10 10",
    "internal_value": "0 0",
    "internal_weight": "0 0",
    "internal_count": "30 20",
    "is_linear": "0",
    "shrinkage": "1",
}


def resized(text: str) -> str:
    """The text with correct tree_sizes."""
    trees = text[text.index("\nTree=") + 1 : text.index("end of trees")]
    sizes = [len(tree) for tree in re.split(r"^(?=Tree=)", trees, flags=re.MULTILINE)[1:]]
    line = f"tree_sizes={' '.join(map(str, sizes))}\n"
    return re.sub(r"^tree_sizes=.*\n", line, text, count=1, flags=re.MULTILINE)


def with_tree(text: str, **changed: str) -> str:
    """The text with an additional tree of two splits on column 1; `changed` replaces its lines."""
    number = text.count("\nTree=")
    lines = "".join(f"{key}={value}\n" for key, value in (_PLAIN_TREE | changed).items())
    return resized(text.replace("end of trees\n", f"Tree={number}\n{lines}\n\nend of trees\n"))


def own_child(text: str) -> str:
    """A node that is its own child, reached only by rows with an invalid age."""
    return with_tree(text, left_child="0 -2", right_child="1 -3", threshold="-1 500")


def far_leaf(text: str) -> str:
    """A leaf index far outside the tree's memory, for rows with an age below 50 h."""
    return with_tree(text, left_child="-200000000 -2")


def near_leaf(text: str) -> str:
    """A leaf index just outside: other memory is read and returned as a number."""
    return with_tree(text, left_child="-5000 -2")


def far_column(text: str) -> str:
    """A split on a column far outside the row."""
    return with_tree(text, split_feature="100000000 1")


def far_node(text: str) -> str:
    """A child that is a node outside the tree."""
    return with_tree(text, right_child="90000000 -3")


def circle(text: str) -> str:
    """Two nodes that are each other's child."""
    return with_tree(text, left_child="-1 0")


def no_category(text: str) -> str:
    """A categorical split in a tree without categories, read only by explanations."""
    return with_tree(text, decision_type="1 2", threshold="70000000 500")


def far_category(text: str) -> str:
    """A category set whose end is far beyond its last category."""
    sets = {"num_cat": "1", "decision_type": "1 2", "threshold": "0 500"}
    tree = with_tree(text, **sets)
    bits = "cat_boundaries=0 200000000\ncat_threshold=1\nis_linear=0\nshrinkage=1\n\n\nend of trees"
    return resized(tree.replace("is_linear=0\nshrinkage=1\n\n\nend of trees", bits))


def many_a_round(text: str) -> str:
    """Two billion trees per round."""
    key = "num_tree_per_iteration="
    return text.replace(f"{key}1\n", f"{key}2000000000\n")


HOSTILE: Final[Mapping[str, tuple[Callable[[str], str], str]]] = {
    "own child": (own_child, r"Tree \d+, node 0: its left child is itself; each node has one"),
    "far leaf": (far_leaf, r"Tree \d+, node 0: its left child is leaf 199999999; the tree has 3"),
    "near leaf": (near_leaf, r"Tree \d+, node 0: its left child is leaf 4999; the tree has 3"),
    "far column": (far_column, r"Tree \d+: split_feature contains 100000000, outside 0 to"),
    "far node": (far_node, r"Tree \d+, node 0: its right child is node 90000000; the tree has 2"),
    "circle": (circle, r"Tree \d+, node 1: its left child is the root; each node has one"),
    "no category": (no_category, r"Tree \d+, node 0: it uses category set 70000000; the tree"),
    "far category": (far_category, r"Tree \d+: cat_threshold has 1 values, not 200000000"),
    "many a round": (many_a_round, "num_tree_per_iteration is '2000000000'; only 1 is accepted"),
}
"""The function that makes each from a valid text, and a pattern of its error message."""


def hostile_artefact(
    name: str, shipped: Path = ADVISOR, version: str = "6.6.6"
) -> dict[str, bytes]:
    """The three files of a shipped model's artefact, made hostile.

    Args:
        name: a key of HOSTILE.
        shipped: the folder of the model it is made from.
        version: of the hostile one.
    """
    change, _ = HOSTILE[name]
    return artefact_files(change((shipped / "model.txt").read_text()).encode(), shipped, version)


def artefact_files(model: bytes, shipped: Path, version: str) -> dict[str, bytes]:
    """The three files of an artefact with this model text and a shipped model's card."""
    card = json.loads((shipped / "card.json").read_text()) | {"version": version}
    files = {"card.json": json.dumps(card).encode(), card["file"]: model}
    sums = "".join(f"{hashlib.sha256(c).hexdigest()}  {n}\n" for n, c in sorted(files.items()))
    return files | {"SHA256SUMS": sums.encode()}
