"""Decisions made and recorded without a lab."""

from __future__ import annotations

from dataclasses import replace

from spotlab.domain.decision import Experiment, Instance
from spotlab.domain.ports import Ledger
from spotlab.pipeline.evaluate import Evaluation, evaluate
from tests.support.market import NOW


def record_decision(instance: Instance, evaluation: Evaluation, ledger: Ledger) -> Experiment:
    """Decide for one instance at NOW and record it; returns the experiment with its id."""
    last_switch_at = ledger.last_switch_at(instance.instance_id)
    experiment = evaluate(instance, evaluation, last_switch_at, NOW).with_candidates()
    return replace(experiment, experiment_id=ledger.record(experiment))
