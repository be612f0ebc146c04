"""How large a model of trees may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TreeLimits:
    """Sizes above which a model of trees is refused before LightGBM sees it.

    Args:
        text_mb: size of its text, MB.
        trees: how many.
        leaves_per_tree, leaves: of one tree, and of all.
        depth: splits from a root to a leaf; an explanation recurses as deep, and takes memory and
            time with its square.
    """

    text_mb: float = 32.0
    trees: int = 10_000
    leaves_per_tree: int = 4096
    leaves: int = 250_000
    depth: int = 100
