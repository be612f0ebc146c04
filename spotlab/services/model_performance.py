"""Performance of models in the accounts that a user sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spotlab.domain.access import Right
from spotlab.domain.outcomes import Outcome
from spotlab.domain.ports import ExperimentFilter
from spotlab.pipeline.scorecards import Scorecard, scorecards
from spotlab.runtime.model_catalogue import find_model
from spotlab.services.base import Service
from spotlab.services.experiments import ExperimentService


@dataclass(frozen=True, slots=True)
class Performance:
    """Performance of a model.

    Args:
        model: "name@version".
        experiments: number of its decisions.
        outcomes: number of its predictions with a recorded outcome.
        scores: one scorecard per target; empty if no outcome is known yet.
    """

    model: str
    experiments: int
    outcomes: int
    scores: Sequence[Scorecard]


class ModelPerformanceService(Service):
    """Predictions compared with their outcomes."""

    __slots__ = ()

    def of_model(self, reference: str) -> Performance:
        """Performance of a model. Raises NotFound, Forbidden."""
        self.require(Right.READ)
        model = find_model(self.lab.store.registry, reference).reference
        decisions = ExperimentService(self.lab, self.principal)
        known = self.lab.store.outcomes.list(model=model, accounts=self.principal.accounts)
        experiments = decisions.count(ExperimentFilter(model=model))
        return Performance(model, experiments, len(known), scorecards(known))

    def of_experiments(self, experiment_ids: Sequence[int]) -> Mapping[int, Sequence[Outcome]]:
        """Outcomes of these visible decisions by experiment id. Raises Forbidden."""
        self.require(Right.READ)
        outcomes: dict[int, list[Outcome]] = {number: [] for number in experiment_ids}
        for outcome in self.lab.store.outcomes.of(experiment_ids):
            if not outcome.challenger:
                outcomes[outcome.experiment_id].append(outcome)
        return outcomes
