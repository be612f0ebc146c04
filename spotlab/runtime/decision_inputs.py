"""What a recorded decision was made with: market, model, policy, performance and last switch."""

from __future__ import annotations

from spotlab.domain.decision import Experiment
from spotlab.pipeline.evaluate import Evaluation
from spotlab.pipeline.explain_decision import DecidedWith
from spotlab.pipeline.replay import performance_of
from spotlab.runtime.lab import Lab
from spotlab.runtime.replay import scored_then


def decided_with(lab: Lab, experiment: Experiment) -> DecidedWith:
    """The inputs of a decision, for explaining it.

    Args:
        lab: its store and models.
        experiment: as from the ledger.
    Raises:
        NotFound: its model, or the market of its run, is gone.
        NotAvailable: it was recorded before runs were, or its features cannot be computed as they
            were.
    """
    scored = scored_then(lab, experiment, features=True)
    evaluation = Evaluation(scored, experiment.policy, (), experiment.policy_version)
    return DecidedWith(
        evaluation,
        experiment.last_switch_at,
        lab.model(experiment.model),
        performance_of(lab.store, experiment, scored),
    )
