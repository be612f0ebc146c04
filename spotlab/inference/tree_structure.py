"""Validation of the structure of LightGBM trees.

LightGBM uses the indices of children, columns and category sets without bounds checks. Therefore,
before it reads a text, every index is checked to be in range, and every node to be reachable from
its root along exactly one path, so that each traversal ends in an existing leaf.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from spotlab.errors import ArtefactRefused
from spotlab.inference.model_text import TreeModel, read_trees
from spotlab.inference.tree_limits import TreeLimits
from spotlab.inference.tree_text import Tree

CATEGORICAL: Final = 1
DEFAULT_LEFT: Final = 2
_REMEDY: Final = "The model is damaged or was edited: train and save it again."


def validate_trees(content: bytes, limits: TreeLimits | None = None) -> TreeModel:
    """Parse a model's text and check that LightGBM can traverse and explain its trees safely.

    Args:
        content: the file.
        limits: largest size of its trees; None: the defaults.
    Returns:
        The parsed model.
    Raises:
        ArtefactRefused: names the tree, the node and the violated rule.
    """
    limits = limits or TreeLimits()
    model = read_trees(content, limits)
    for number, tree in enumerate(model.trees):
        _check_categories(number, tree)
        _check_nodes(number, tree, limits)
    return model


def _refused(tree: int, problem: str) -> ArtefactRefused:
    return ArtefactRefused(f"Tree {tree}{problem}", remedy=_REMEDY)


def _check_categories(number: int, tree: Tree) -> None:
    bounds = tree.cat_boundaries
    if bounds[0] != 0 or any(a >= b for a, b in pairwise(bounds)):
        raise _refused(number, ": cat_boundaries do not increase from 0")
    sets = len(bounds) - 1
    for node, kind in enumerate(tree.decision_type):
        if kind & CATEGORICAL and tree.threshold[node] not in range(sets):
            raise _refused(
                number,
                f", node {node}: it uses category set {tree.threshold[node]:.10g}; "
                f"the tree has {sets} sets",
            )


def _check_nodes(number: int, tree: Tree, limits: TreeLimits) -> None:
    """Check that each node and leaf is reached exactly once from the root."""
    left, right = tree.left_child, tree.right_child
    inner, leaves = len(left), len(tree.leaf_value)
    parents = {0: -1} if inner else {-1: -1}
    level, depth = [0] if inner else [], 0
    while level:
        depth += 1
        if depth > limits.depth:
            raise _refused(number, f" is deeper than {limits.depth} splits")
        below = []
        for node in level:
            count = 0
            for side, child in (("left", left[node]), ("right", right[node])):
                if child in parents or not -leaves <= child < inner:
                    raise _wrong_child(number, node, side, child, tree, parents)
                parents[child] = node
                if child >= 0:
                    below.append(child)
                    count += tree.internal_count[child]
                else:
                    count += tree.leaf_count[-child - 1]
            if count != tree.internal_count[node]:
                raise _refused(
                    number,
                    f", node {node}: it has {tree.internal_count[node]} training rows, but its "
                    f"children have {count}",
                )
        level = below
    if len(parents) != inner + leaves:
        lost = next(child for child in range(-leaves, inner) if child not in parents)
        raise _refused(number, f", {_name(lost)}: it cannot be reached from the root")
    if inner and 0 in tree.leaf_count:
        leaf = tree.leaf_count.index(0)
        raise _refused(number, f", leaf {leaf}: it has no training rows, so no explanation")


def _wrong_child(
    number: int, node: int, side: str, child: int, tree: Tree, parents: dict[int, int]
) -> ArtefactRefused:
    its = f", node {node}: its {side} child is"
    if child in parents:
        known = "the root" if child == 0 else f"{_name(child)}, a child of node {parents[child]}"
        other = "itself" if child == node else known
        return _refused(number, f"{its} {other}; each node has one parent")
    count = len(tree.left_child) if child >= 0 else len(tree.leaf_value)
    kind = "inner nodes" if child >= 0 else "leaves"
    return _refused(number, f"{its} {_name(child)}; the tree has {count} {kind}")


def _name(child: int) -> str:
    return f"node {child}" if child >= 0 else f"leaf {-child - 1}"
