"""Tree models that are opened after their text was validated.

Once the compiled kernels are loaded, they compute scores of any number of rows, and contributions
of many; LightGBM computes the rest. Scores are equal to the last bit, contributions to 1e-9.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import Matrix
from spotlab.errors import ArtefactRefused
from spotlab.inference.compiled_trees import CompiledTrees
from spotlab.inference.input_checks import require_same_features
from spotlab.inference.kernel_loader import KERNELS
from spotlab.inference.lightgbm_import import lightgbm
from spotlab.inference.model_text import TreeModel
from spotlab.inference.objectives import log_odds_per_score
from spotlab.inference.tree_limits import TreeLimits
from spotlab.inference.tree_structure import validate_trees
from spotlab.processes.kernels import THREADS, thread_pool

Floats = NDArray[np.float64]

SINGLE_THREAD_ROWS: Final = 200
"""Below this many rows, starting LightGBM's threads takes longer than predicting (89 ms compared
with 0.5 ms for one row)."""
KERNEL_EXPLAINED_ROWS: Final = 32
"""With fewer rows, LightGBM's contributions take less time than the kernel's tables."""
_ROWS_PER_THREAD: Final = 2048
_EXPLAINED_ROWS_PER_THREAD: Final = 256


class ValidatedBooster:
    """A LightGBM model whose text is validated before native code reads it.

    Args:
        model: the text.
        feature_names: the columns it must have, in order.
        limits: largest size of its trees; None: the defaults.
    Raises:
        ArtefactRefused: the text is not a valid model, or it has other columns.
    """

    def __init__(
        self, model: bytes, feature_names: tuple[str, ...], limits: TreeLimits | None
    ) -> None:
        trees = validate_trees(model, limits)
        self._trees: TreeModel | CompiledTrees | str = trees
        self._log_odds = log_odds_per_score(trees)
        require_same_features(feature_names, trees.feature_names)
        self._lock = threading.Lock()
        module = lightgbm()
        try:
            self._booster = module.Booster(model_str=model.decode("ascii"))
        except (module.basic.LightGBMError, ValueError) as exc:
            raise ArtefactRefused(f"LightGBM cannot read it ({exc})") from exc

    def raw_score(self, rows: Matrix) -> Floats:
        """(n,) log-odds: the sum of the trees' values, scaled as the objective says."""
        if not len(rows):
            return np.zeros(0)
        KERNELS.note_request(len(rows))
        trees = self._compiled()
        if trees is None or trees.scores is None:
            return self._scaled(self._predict(rows, raw_score=True))
        return self._scaled(_divided(_kernel("scores", trees), rows, _ROWS_PER_THREAD))

    def contributions(self, rows: Matrix) -> Floats:
        """(n, f + 1) contribution of each column to `raw_score`, and the base."""
        if not len(rows):
            return np.zeros((0, rows.shape[1] + 1))
        KERNELS.note_request(len(rows))
        trees = self._compiled() if len(rows) >= KERNEL_EXPLAINED_ROWS else None
        if trees is None or trees.paths is None:
            return self._scaled(self._predict(rows, pred_contrib=True))
        parts = _divided(_kernel("contributions", trees), rows, _EXPLAINED_ROWS_PER_THREAD)
        return self._scaled(np.column_stack([parts, np.full(len(rows), trees.paths.base)]))

    @property
    def why_not_compiled(self) -> str:
        """Why LightGBM evaluates some requests; "": the compiled kernels evaluate all they can."""
        if KERNELS.module is None:
            return KERNELS.why_not
        trees = self._compiled()
        return trees.why_not if trees is not None else str(self._trees)

    def _compiled(self) -> CompiledTrees | None:
        """The trees as arrays, once the kernels are loaded and if they can be converted."""
        if KERNELS.module is None:
            return None
        if isinstance(self._trees, TreeModel):
            with self._lock:
                if isinstance(self._trees, TreeModel):
                    self._trees = CompiledTrees.of(self._trees)
        return self._trees if isinstance(self._trees, CompiledTrees) else None

    def _scaled(self, values: Floats) -> Floats:
        return values if self._log_odds == 1.0 else values * self._log_odds

    def _predict(self, rows: Matrix, **options: bool) -> Floats:
        threads: dict[str, Any] = {"num_threads": 1} if len(rows) < SINGLE_THREAD_ROWS else {}
        return np.asarray(self._booster.predict(rows, **options, **threads), dtype=np.float64)


def _kernel(name: str, trees: CompiledTrees) -> Callable[[Floats], Floats]:
    function = getattr(KERNELS.module, name)

    def evaluate(rows: Floats) -> Floats:
        found: Floats = function(trees, rows)
        return found

    return evaluate


def _divided(evaluate: Callable[[Floats], Floats], rows: Matrix, rows_per_thread: int) -> Floats:
    """The results of all rows, which are divided among threads if there are many."""
    ordered = np.ascontiguousarray(rows, dtype=np.float64)
    parts = min(THREADS, len(ordered) // rows_per_thread)
    if parts < 2:
        return evaluate(ordered)
    return np.concatenate(list(thread_pool().map(evaluate, np.array_split(ordered, parts))))
