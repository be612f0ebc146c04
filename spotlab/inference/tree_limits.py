"""Size limits of tree models."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TreeLimits:
    """Sizes above which a tree model is rejected before LightGBM reads it.

    Args:
        text_mb: size of its text, MB.
        trees: number of trees.
        leaves_per_tree, leaves: number of leaves of one tree, and of all trees.
        depth: splits from a root to a leaf; explanations recurse to this depth, and their memory
            and time grow with its square.
    """

    text_mb: float = 32.0
    trees: int = 10_000
    leaves_per_tree: int = 4096
    leaves: int = 250_000
    depth: int = 100
