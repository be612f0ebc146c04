"""How models did, in the accounts that somebody sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spotlab.domain.access import Right
from spotlab.domain.outcomes import Outcome
from spotlab.domain.ports import ExperimentFilter
from spotlab.pipeline.scorecards import Scorecard, scorecards
from spotlab.runtime.model_catalogue import find_model
from spotlab.services.base import DeskPart
from spotlab.services.experiments import DecisionsDesk


@dataclass(frozen=True, slots=True)
class Performance:
    """How a model did.

    Args:
        model: "name@version".
        experiments: decisions it made.
        outcomes: predictions of it that are settled.
        scores: of each target; none where nothing is known yet.
    """

    model: str
    experiments: int
    outcomes: int
    scores: Sequence[Scorecard]


class PerformanceDesk(DeskPart):
    """Predictions beside what happened."""

    __slots__ = ()

    def of_model(self, reference: str) -> Performance:
        """How a model did. Raises NotFound, Forbidden."""
        self.require(Right.READ)
        model = find_model(self.lab.store.registry, reference).reference
        decisions = DecisionsDesk(self.lab, self.who)
        known = self.lab.store.outcomes.list(model=model)
        if self.who.accounts is not None:
            seen = self.lab.store.ledger.numbers(ExperimentFilter(accounts=self.who.accounts))
            known = [outcome for outcome in known if outcome.experiment_id in seen]
        made = decisions.count(ExperimentFilter(model=model))
        return Performance(model, made, len(known), scorecards(known))

    def of_experiments(self, experiment_ids: Sequence[int]) -> Mapping[int, Sequence[Outcome]]:
        """What is settled of these decisions, which they see, by experiment. Raises Forbidden."""
        self.require(Right.READ)
        found: dict[int, list[Outcome]] = {number: [] for number in experiment_ids}
        for outcome in self.lab.store.outcomes.of(experiment_ids):
            if not outcome.challenger:
                found[outcome.experiment_id].append(outcome)
        return found
