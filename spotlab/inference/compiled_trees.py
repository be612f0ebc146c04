"""Tree models as arrays for the compiled kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spotlab.inference.leaf_paths import MOST_COLUMNS, LeafPaths, leaf_paths
from spotlab.inference.model_text import TreeModel
from spotlab.inference.score_tables import ScoreTables, score_tables
from spotlab.inference.tree_bins import Bins, Column, bins_of

_MOST_BINS: Final = 30_000


@dataclass(frozen=True, slots=True)
class CompiledTrees:
    """A model's trees as arrays.

    Args:
        bins: of its columns.
        scores: None: its scores cannot be computed from tables.
        paths: None: its contributions cannot be computed from paths.
        why_not: why `scores` or `paths` is None, for a person; "" if neither is.
    """

    bins: Bins
    scores: ScoreTables | None
    paths: LeafPaths | None
    why_not: str

    @classmethod
    def of(cls, model: TreeModel) -> CompiledTrees | str:
        """Convert validated trees; a text says why they cannot be converted."""
        if model.linear:
            return "the leaves of its trees contain linear models"
        columns = [Column(number) for number in range(len(model.feature_names))]
        for tree in model.trees:
            for node, number in enumerate(tree.split_feature):
                columns[number].add(tree, node)
        for column in columns:
            if column.mixed:
                return f"column {column.number} is split by thresholds and by categories"
            column.finish()
            if column.bins > _MOST_BINS:
                return f"column {column.number} has {column.bins} bins, more than {_MOST_BINS}"
        bins = bins_of(columns)
        leaves = max(len(tree.leaf_value) for tree in model.trees)
        scores = score_tables(model.trees, columns, bins, 32 if leaves <= 32 else 64)
        paths = leaf_paths(model.trees, columns)
        reasons = []
        if scores is None:
            reasons.append(f"a tree has {leaves} leaves, more than 64")
        if paths is None:
            reasons.append(f"a leaf depends on more than {MOST_COLUMNS} columns")
        return cls(bins, scores, paths, " and ".join(reasons))
