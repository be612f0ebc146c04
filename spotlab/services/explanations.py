"""Explanations of a pool's risk, now and at the time of a decision."""

from __future__ import annotations

from typing import Final

import numpy as np

from spotlab.domain.access import Right
from spotlab.domain.decision import Experiment
from spotlab.domain.features import FeatureFrame
from spotlab.domain.market import Pool
from spotlab.domain.workload import DEFAULT_WORKLOAD
from spotlab.errors import NotFound
from spotlab.inference.explain import Explanation, explain
from spotlab.services.base import Service
from spotlab.services.experiments import ExperimentService

HORIZON_H: Final = DEFAULT_WORKLOAD.horizon_h


class ExplanationService(Service):
    """Explanations of a pool's risk."""

    __slots__ = ()

    def now(
        self, pool: Pool, model: str | None = None, horizon_h: float = HORIZON_H
    ) -> Explanation:
        """Explain the risk of a pool of the active market; see `explain`.

        Args:
            pool: the pool.
            model: "name" or "name@version"; None: the champion.
            horizon_h: hours.
        Raises:
            NotFound: no such pool, or no such model.
            InvalidInput: the model rejects the pool's features.
            NoMarketData: no market has been collected yet.
            Forbidden: the user may not read.
        """
        self.require(Right.READ)
        scored = self.lab.scored(model)
        return explain(self.lab.model(scored.model), scored.frame, pool, horizon_h)

    def then(self, experiment_id: int, pool: Pool) -> Explanation:
        """Explain the risk of a pool at the time of a decision, by the model that decided.

        Raises:
            NotFound: the user sees no such decision, it has no such pool, or the model's files are
                missing.
            InvalidInput, Forbidden: as in `now`.
        """
        experiment = ExperimentService(self.lab, self.principal).get(experiment_id)
        if not experiment.candidates:
            raise NotFound(
                f"Experiment {experiment_id} has no candidates to explain.",
                remedy="Evaluate the instance again, or choose another decision.",
            )
        model = self.lab.model(experiment.model)
        return explain(model, frame_of(experiment), pool, experiment.workload.workload.horizon_h)


def frame_of(experiment: Experiment) -> FeatureFrame:
    """The stored features of a decision's candidates; unknown values are NaN."""
    values = np.array(
        [
            [candidate.features.get(name, np.nan) for name in experiment.feature_names]
            for candidate in experiment.candidates
        ],
        dtype=np.float64,
    ).reshape(len(experiment.candidates), len(experiment.feature_names))
    return FeatureFrame(
        experiment.created_at,
        tuple(candidate.pool for candidate in experiment.candidates),
        experiment.feature_names,
        values,
    )
