"""Drills on an emulated AWS: from a signal to a healthy replacement, timed against 120 s.

The signal goes the whole way: EventBridge, SQS, the reader of events, an evaluation, a switch. AWS
is emulated with realistic delays, and time is moved on instead of waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from spotlab.domain.decision import Experiment, Instance, Lifecycle
from spotlab.domain.drills import DrillKind, DrillReport, DrillRun
from spotlab.domain.ports import By
from spotlab.domain.switch_guards import (
    EVERYWHERE,
    AccountGuards,
    InstallationGuards,
    SwitchingMode,
)
from spotlab.domain.switch_plan import Preflight, Strategy
from spotlab.domain.switch_steps import Step
from spotlab.domain.switches import JournalEntry, Phase, Switch, SwitchState, Target
from spotlab.domain.workload import AssignmentScope, Workload
from spotlab.errors import Conflict, NotAvailable, SpotlabError
from spotlab.runtime.drill_world import DrillWorld
from spotlab.runtime.lab import Lab
from spotlab.runtime.spot_events import read_events
from spotlab.switching.driver import drive
from spotlab.switching.guards import SwitchGuards
from spotlab.switching.market_check import NEXT_CANDIDATES, decide_now
from spotlab.switching.preflight.reader import account_of, preflight_of, reader_of
from spotlab.switching.requests import build, targets_of

BY: Final = "drill"
MANY: Final = 1_000
_READS: Final = 20
STATELESS: Final = Workload("drill-stateless", 1, "Nothing on it is needed.", 0.0, 0.01)
CHECKPOINTS: Final = Workload(
    "drill-checkpoints",
    1,
    "Restarts from its last checkpoint.",
    0.5,
    0.1,
    checkpoint_interval_h=1.0,
)
Tell = Callable[[str, float], None]


def run_drills(
    lab: Lab,
    world: DrillWorld,
    kind: DrillKind,
    runs: int,
    tell: Tell = lambda _text, _share: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> DrillReport:
    """Run drills one after another, on instances that can be switched.

    Args:
        lab: on the world's cloud and clock, with its fleet listed and its market collected.
        world: the emulated AWS.
        kind: of the signal.
        runs: number of drills, 1 or more.
        tell: called with the current step and the share done.
        cancelled: checked between drills.
    Raises:
        NotAvailable: no instance can be switched.
    """
    _allow_switching(lab)
    subjects = _Subjects(lab)
    done: list[DrillRun] = []
    while len(done) < runs and not cancelled():
        tell(f"drill {len(done) + 1} of {runs}", len(done) / runs)
        subject = subjects.take([run.strategy for run in done])
        if subject is None:
            break
        done.append(_run(lab, world, kind, subject))
        lab.sync_fleet()
    if not done and not cancelled():
        raise NotAvailable(
            "No instance of the emulated AWS can be switched.",
            remedy=f"Preflight: {next(iter(subjects.skipped.values()), 'no spot instance runs.')}",
        )
    return DrillReport(kind, done, world.delays_s, subjects.skipped)


def _allow_switching(lab: Lab) -> None:
    """Turn switching on at every level, with limits that no drill reaches."""
    by, guards = By(BY, lab.clock.now(), "drill", "drill"), lab.store.switch_guards
    guards.save(EVERYWHERE, InstallationGuards(four_eyes=False, switches_per_hour=MANY), by)
    everything = AccountGuards(
        mode=SwitchingMode.ON,
        switches_per_hour=MANY,
        at_once_per_group=100,
        per_pool_per_hour=MANY,
        cool_down_h=0.0,
    )
    for account in lab.cloud().accounts:
        guards.save(account.name, everything, by)
    for workload in (STATELESS, CHECKPOINTS):
        lab.store.workloads.save(workload, by)


class _Subjects:
    """Running spot instances that preflight does not refuse, each taken once.

    Args:
        lab: with its fleet.
    """

    def __init__(self, lab: Lab) -> None:
        self.skipped: dict[str, str] = {}
        self._lab = lab
        self._ready: dict[str, Strategy] = {}
        self._taken: set[str] = set()

    def take(self, before: Sequence[Strategy]) -> Instance | None:
        """The next one, so that strategies take turns; None: there is none.

        Args:
            before: strategies of the drills so far.
        """
        for instance in self._lab.store.fleet.instances():
            self._look(instance)
        ready = [key for key in self._ready if key not in self._taken]
        if not ready:
            return None
        chosen = min(ready, key=lambda key: before.count(self._ready[key]))
        self._taken.add(chosen)
        return self._lab.store.fleet.instance(chosen)

    def _look(self, instance: Instance) -> None:
        """Prepare an instance for a drill, or note why it is skipped; each once."""
        name = instance.instance_id
        if name in self._ready or name in self.skipped:
            return
        if instance.lifecycle is not Lifecycle.SPOT or instance.state != "running":
            return
        try:
            _prepare(self._lab, instance)
            preflight = confirmed_preflight(self._lab, instance, other_pools(self._lab, instance))
        except SpotlabError as exc:
            self.skipped[name] = exc.message
            return
        if preflight.refused:
            self.skipped[name] = preflight.blocking[0].text
        else:
            self._ready[name] = preflight.strategy


def _prepare(lab: Lab, instance: Instance) -> None:
    """End its shadow mode, and give it a workload: stateless if it has a launch template."""
    by = By(BY, lab.clock.now(), "drill", "drill")
    lab.store.fleet.set_shadow(instance.instance_id, False, by)
    account = account_of(lab, instance.account)
    facts = reader_of(lab).facts(account, instance.pool.region, instance.instance_id)
    name = (STATELESS if facts.launch_template is not None else CHECKPOINTS).name
    lab.store.workloads.assign(AssignmentScope.INSTANCE, instance.instance_id, name, by)


def confirmed_preflight(lab: Lab, instance: Instance, targets: Sequence[Target]) -> Preflight:
    """The preflight, with every question answered with yes."""
    first = preflight_of(lab, instance, targets)
    confirmed = [each.code for each in first.questions]
    return preflight_of(lab, instance, targets, confirmed=confirmed) if confirmed else first


def other_pools(lab: Lab, instance: Instance) -> tuple[Target, ...]:
    """The best other pools of the market now, where a policy would stay. Raises Conflict."""
    here = [
        Target(
            each.pool,
            Lifecycle.SPOT,
            each.spot_price_usd_per_hour,
            each.on_demand_price_usd_per_hour,
            each.expected_cost_usd_per_hour,
        )
        for each in decide_now(lab, instance).candidates
        if each.pool.region == instance.pool.region
        and each.pool.availability_zone is not None
        and each.pool != instance.pool
    ]
    if not here:
        raise Conflict(f"{instance.instance_id} has no other pool in its region.")
    return tuple(here[:NEXT_CANDIDATES])


def _run(lab: Lab, world: DrillWorld, kind: DrillKind, instance: Instance) -> DrillRun:
    """Signal, decision, switch: each by the code that is used outside of drills."""
    account = account_of(lab, instance.account)
    at_s, at = world.clock.monotonic(), world.clock.now()
    event_id = world.emit(
        kind.event, account.aws_account_id, instance.pool.region, instance.instance_id
    )
    experiment = decision_on(lab, event_id)
    decided_ms = 1000.0 * (world.clock.monotonic() - at_s)
    verdict = experiment.verdict
    decision = verdict.decision.value if verdict is not None else "none"
    signalled = lab.store.fleet.instance(instance.instance_id)
    switch = _approved(lab, signalled, experiment)
    drive(
        lab,
        switch.switch_id,
        SwitchGuards(lab).may_proceed,
        sleep=world.clock.sleep,
        monotonic=world.clock.monotonic,
    )
    done = lab.store.switches.get(switch.switch_id)
    journal = lab.store.switches.journal(switch.switch_id)
    return DrillRun(
        kind,
        instance.instance_id,
        done.strategy,
        decision,
        done.state,
        decided_ms,
        _seconds(journal, Step.HEALTH, at),
        _seconds(journal, Step.TERMINATE, at),
        "" if done.state is SwitchState.DONE else done.situation or done.state.value,
    )


def decision_on(lab: Lab, event_id: str) -> Experiment:
    """Read the event from its queue, evaluate, and return the decision.

    Raises:
        NotAvailable: the event did not arrive, or led to no decision.
    """
    for _ in range(_READS):
        read_events(lab, lambda _text, _share: None, lambda: False, listen_s=0.0)
        for each in lab.store.spot_events.list(limit=_READS):
            if each.event.event_id == event_id and each.experiment_id is not None:
                return lab.store.ledger.get(each.experiment_id)
    raise NotAvailable(f"The event {event_id} led to no decision.")


def _approved(lab: Lab, instance: Instance, experiment: Experiment) -> Switch:
    """Request the switch and approve it, as a person would. A STAY is overruled by hand."""
    chosen: Experiment | None = experiment
    try:
        targets = targets_of(lab, experiment)
    except Conflict:
        chosen, targets = None, other_pools(lab, instance)
    preflight = confirmed_preflight(lab, instance, targets)
    if preflight.refused:
        raise Conflict(preflight.blocking[0].text, remedy=preflight.blocking[0].remedy)
    switch = build(
        lab,
        instance,
        targets,
        preflight,
        requested_by=BY,
        experiment=chosen,
        confirmed=[each.code for each in preflight.findings if each.question],
    )
    by = By(BY, lab.clock.now(), "drill", "drill")
    ready = replace(
        switch,
        reason="drill",
        state=SwitchState.APPROVED,
        dry_run=False,
        approved_by=BY,
        approved_at=by.at,
        expires_at=None,
    )
    return lab.store.switches.create(ready, by)


def _seconds(journal: Sequence[JournalEntry], step: Step, since: datetime) -> float | None:
    """Seconds until a step was finished for the last time; None: it was not."""
    ends = [each.at for each in journal if _finishes(each, step)]
    return (ends[-1] - since).total_seconds() if ends else None


def _finishes(entry: JournalEntry, step: Step) -> bool:
    return entry.phase is Phase.AFTER and entry.action == f"finish {step.value}"
