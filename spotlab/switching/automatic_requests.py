"""Switches that SpotLab requests by itself, where an account has turned autonomy on."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Final

from spotlab.domain.decision import MOVES, Experiment, Instance
from spotlab.domain.ports import By, ExperimentSummary, Topic
from spotlab.domain.switch_filter import SwitchFilter
from spotlab.domain.switch_guards import AccountGuards, SwitchingMode
from spotlab.domain.switches import Switch, SwitchState
from spotlab.errors import ChangedMeanwhile, Conflict, SpotlabError
from spotlab.runtime.lab import Lab
from spotlab.switching import approval, requests
from spotlab.switching.earned_autonomy import figures_of
from spotlab.switching.guards import SwitchGuards, levels_of
from spotlab.switching.preflight.reader import preflight_of

log = logging.getLogger("spotlab.switching.automatic_requests")
MAX_DECISION_AGE: Final = timedelta(hours=1)
"""An older decision is not carried out: the next evaluation decides again."""
REASON: Final = "automatic"


def request_automatically(lab: Lab, by: By) -> int:
    """Request a switch for each fresh decision to move an instance, where that is allowed.

    A policy that has earned it approves its own; the others wait for a person. A decision that the
    preflight refuses becomes a refused switch, so that it is seen and not tried again.

    Args:
        lab: its store, market and AWS.
        by: the signature of the app itself.
    Returns:
        The number of requests.
    """
    names = [account.name for account in lab.store.fleet.accounts()]
    every = lab.store.switch_guards.accounts(names)
    guards = {name: own for name, own in every.items() if own.autonomy}
    if not guards:
        return 0
    latest = lab.store.ledger.latest_per_instance()
    made = 0
    for instance in lab.store.fleet.instances():
        decision, own = latest.get(instance.instance_id), guards.get(instance.account)
        if own is None or decision is None or not _is_due(lab, instance, decision, own, by):
            continue
        try:
            made += _request(lab, instance, decision.experiment_id, by)
        except (Conflict, ChangedMeanwhile) as exc:
            log.info("no switch of %s: %s", instance.instance_id, exc)
        except SpotlabError as exc:
            log.warning("no switch of %s: %s", instance.instance_id, exc)
    return made


def _is_due(
    lab: Lab, instance: Instance, decision: ExperimentSummary, guards: AccountGuards, by: By
) -> bool:
    """Whether a decision is fresh, may be carried out, and was not tried already."""
    if (
        decision.decision not in MOVES
        or decision.shadow
        or by.at - decision.created_at > MAX_DECISION_AGE
        or not guards.open_at(by.at)
        or levels_of(lab, instance, guards).mode is not SwitchingMode.ON
        or lab.store.switch_guards.stop_of(instance.account) is not None
    ):
        return False
    where = SwitchFilter(instance_id=instance.instance_id, dry_run=False)
    last = lab.store.switches.list(where, limit=1)
    if not last:
        return True
    ended = last[0].finished_at or last[0].requested_at
    pause = timedelta(hours=guards.cool_down_h)
    return (
        not last[0].open
        and last[0].experiment_id != decision.experiment_id
        and (by.at - ended >= pause)
    )


def _request(lab: Lab, instance: Instance, experiment_id: int, by: By) -> int:
    experiment = lab.store.ledger.get(experiment_id)
    targets = requests.targets_of(lab, experiment)
    preflight = preflight_of(lab, instance, targets)
    switch = replace(
        requests.build(
            lab, instance, targets, preflight, requested_by=by.actor, experiment=experiment
        ),
        reason=REASON,
    )
    if switch.dry_run:  # a level was changed just now
        return 0
    refusal = SwitchGuards(lab).at_request(instance, switch)
    if refusal is not None:
        return 0
    entry = approval.note(switch, by, "request", {"target": switch.requested.label})
    if preflight.refused:
        finding = preflight.blocking[0]
        refused = replace(
            switch,
            state=SwitchState.REFUSED,
            expires_at=None,
            finished_at=by.at,
            situation=finding.text,
            remedy=finding.remedy,
        )
        lab.store.switches.create(refused, by, [entry])
        lab.bus.publish(Topic.SWITCHES)
        return 0
    made = lab.store.switches.create(switch, by, [entry])
    lab.bus.publish(Topic.SWITCHES)
    _approve_if_earned(lab, made, experiment, by)
    return 1


def _approve_if_earned(lab: Lab, switch: Switch, experiment: Experiment, by: By) -> None:
    workload = experiment.workload.workload.name
    found = figures_of(lab, switch.account, experiment.policy_version, workload)
    if found.earned:
        approval.approve(lab, switch, by, figures=found.sentence)
    else:
        lab.store.switches.note(approval.note(switch, by, "autonomy", {"why": found.sentence}))
