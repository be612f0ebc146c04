"""What a recorded decision was made with: market, model, policy and last switch."""

from __future__ import annotations

from spotlab.domain.decision import Experiment
from spotlab.pipeline.evaluate import Evaluation
from spotlab.pipeline.explain_decision import DecidedWith
from spotlab.runtime.lab import Lab


def decided_with(lab: Lab, experiment: Experiment) -> DecidedWith:
    """The inputs of a decision, for explaining it.

    Raises:
        NotFound: its model is gone.
        NoMarketData: its market is gone.
    """
    model = lab.model(experiment.model)
    scored = lab.scored(experiment.model)
    evaluation = Evaluation(scored, experiment.policy, (), experiment.policy_version)
    performance = lab.store.throughputs.index_at(experiment.performance)
    last_switch_at = lab.store.ledger.last_switch_at(experiment.instance.instance_id)
    return DecidedWith(evaluation, last_switch_at, model, performance.with_sizes(scored.hardware))
