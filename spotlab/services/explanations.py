"""Explanations of decisions, and of a pool's risk now and at the time of a decision."""

from __future__ import annotations

from typing import Final

import numpy as np

from spotlab.domain.access import Right
from spotlab.domain.decision import Experiment
from spotlab.domain.decision_explanation import DecisionExplanation
from spotlab.domain.features import FeatureFrame
from spotlab.domain.market import Pool
from spotlab.domain.ports import ExperimentFilter
from spotlab.domain.workload import DEFAULT_WORKLOAD
from spotlab.errors import NotFound
from spotlab.inference.explain import Explanation, explain
from spotlab.pipeline.explain_decision import explain_decision
from spotlab.runtime.decision_inputs import decided_with
from spotlab.services.base import Service
from spotlab.services.experiments import ExperimentService
from spotlab.services.instances import InstanceService

HORIZON_H: Final = DEFAULT_WORKLOAD.horizon_h


class ExplanationService(Service):
    """Explanations of decisions and of risks."""

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

    def of_decision(self, experiment_id: int) -> DecisionExplanation:
        """Explain a decision: margin, runner-up, and what would change it.

        Raises:
            NotFound: the user sees no such decision, or its market or model is gone.
            InvalidInput: no decision was made.
            Forbidden: the user may not read.
        """
        experiment = ExperimentService(self.lab, self.principal).get(experiment_id)
        return explain_decision(experiment, decided_with(self.lab, experiment))

    def of_instance(self, instance: str) -> DecisionExplanation:
        """Explain the newest decision about an instance.

        Args:
            instance: its id, or its name if no other instance has it.
        Raises:
            NotFound: there is no such instance, several have that name, or none was evaluated.
            InvalidInput, Forbidden: as in `of_decision`.
        """
        service = InstanceService(self.lab, self.principal)
        known = service.list(active_only=False)
        found = [each for each in known if instance == each.instance_id] or [
            each for each in known if instance == each.name
        ]
        if len(found) != 1:
            problem = "No instance has" if not found else f"{len(found)} instances have"
            raise NotFound(
                f"{problem} the id or name {instance!r}.",
                remedy="Use an instance id; `spotlab evaluate --all` prints them.",
            )
        where = ExperimentFilter(instance_id=found[0].instance_id)
        newest = ExperimentService(self.lab, self.principal).list(where, limit=1)
        if not newest:
            raise NotFound(
                f"Instance {instance!r} was never evaluated.",
                remedy=f"Evaluate it first: spotlab evaluate {found[0].instance_id}",
            )
        return self.of_decision(newest[0].experiment_id)

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
