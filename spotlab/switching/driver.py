"""Driving switches in a lab: the lease, the account's AWS, and the collaborators of the engine."""

from __future__ import annotations

import logging
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from spotlab.aws.switching import AwsSwitching
from spotlab.domain.interruptions import InterruptionEvent, InterruptionKind
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account
from spotlab.domain.switch_moves import MovePlan
from spotlab.domain.switches import (
    DRIVEN_STATES,
    JournalEntry,
    Phase,
    Realised,
    Refusal,
    Switch,
    SwitchState,
)
from spotlab.errors import Cancelled, NotFound, SpotlabError
from spotlab.runtime.lab import Lab
from spotlab.runtime.leader_election import Leadership, hold_lease
from spotlab.store.engine import Fence, fenced
from spotlab.switching import realised_savings
from spotlab.switching.execution.engine import Engine
from spotlab.switching.execution.health_checks import check_health
from spotlab.switching.execution.hooks import Hooks, MayProceed
from spotlab.switching.preflight.move_plan import move_plan
from spotlab.switching.preflight.reader import account_of, reader_of
from spotlab.switching.prices import price_of

log = logging.getLogger("spotlab.switching.driver")
LEASE_TTL_S: Final = 20.0
"""Without a heartbeat of its driver for this long, another one takes a switch over."""


def drive(
    lab: Lab,
    switch_id: str,
    may_proceed: MayProceed,
    *,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
    on_change: Callable[[Switch], None] = lambda _switch: None,
    lease_ttl_s: float = LEASE_TTL_S,
) -> Switch:
    """Drive a switch until it is finished, held by a guard, paused, or needs a person.

    Args:
        lab: its store and AWS.
        switch_id: of an approved switch, or of one whose driver is gone.
        may_proceed: the guards.
        sleep, monotonic: of the engine; a drill passes those of the emulated world.
        on_change: called after every step.
        lease_ttl_s: see LEASE_TTL_S.
    Returns:
        The switch as it is then; unchanged if another driver is at work.
    Raises:
        NotFound: no such switch, or its account is not managed.
        Fenced, ChangedMeanwhile: another driver took over.
        DatabaseDown, NotAvailable: the next driver continues.
    """
    switch = lab.store.switches.get(switch_id)
    name = f"switch:{switch_id}"
    holder = f"{socket.gethostname()} {secrets.token_hex(4)}"
    leadership = Leadership(lab.store.leases, name, holder, lease_ttl_s, lab.clock)
    give_up_at = time.monotonic() + lease_ttl_s * 1.5
    try:
        # A killed driver cannot release its lease: it is watched for as long as it lasts.
        with (
            hold_lease(leadership, lambda: None, lambda: time.monotonic() > give_up_at) as token,
            fenced(Fence(name, token)),
        ):
            try:
                engine = engine_of(lab, switch, may_proceed, sleep, monotonic, on_change)
            except NotFound as exc:
                hold(lab, switch_id, token, exc.message)
                raise
            return engine.run(switch_id, token, lambda: leadership.token == token)
    except Cancelled:
        log.info("switch %s is left to another driver", switch_id)
        return lab.store.switches.get(switch_id)


def hold(lab: Lab, switch_id: str, token: int, why: str) -> None:
    """Say in the journal, once, why a switch cannot be driven now.

    Args:
        lab: its store.
        switch_id: of the switch, whose lease is held.
        token: of the lease.
        why: one sentence.
    Raises:
        Fenced, ChangedMeanwhile: another driver took over.
    """
    switch = lab.store.switches.get(switch_id)
    if switch.progress.held != why:
        held = replace(switch, progress=replace(switch.progress, held=why))
        action, at = f"held: {why.rstrip('.')}", lab.clock.now()
        entry = JournalEntry(
            switch_id, 0, at, switch.step, action, Phase.NOTE, {}, switch.attempt, token
        )
        lab.store.switches.save(held, [entry])


def engine_of(
    lab: Lab,
    switch: Switch,
    may_proceed: MayProceed,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
    on_change: Callable[[Switch], None] = lambda _switch: None,
) -> Engine:
    """The engine for the account and region of a switch.

    Raises:
        NotFound: the account is not managed.
        NotAvailable: the emulated AWS cannot be started.
    """
    account, reader = account_of(lab, switch.account), reader_of(lab)

    def plan(current: Switch) -> MovePlan | Refusal:
        instance = lab.store.fleet.instance(current.instance_id)
        return move_plan(reader, account, current, lab.workload_of(instance))

    def measure(current: Switch, now: datetime) -> Realised | None:
        try:
            return realised_savings.measure(current, now, partial(price_of, lab.market()))
        except SpotlabError as exc:
            log.warning("the saving of switch %s is unknown: %s", current.switch_id, exc)
            return None

    return Engine(
        store=lab.store.switches,
        aws=AwsSwitching(lab.cloud().sessions, account, switch.pool.region),
        hooks=Hooks(
            plan=plan,
            may_proceed=may_proceed,
            on_capacity=partial(record_refused_launch, lab, account, switch),
            on_interrupted=partial(record_interruption, lab, account),
            check_health=check_health,
            measure=measure,
            allowances=lab.store.launch_allowances,
            on_launched=partial(record_launch, lab, account, switch.instance_id),
        ),
        clock=lab.clock,
        monotonic=monotonic,
        sleep=sleep,
        on_change=on_change,
    )


def record_refused_launch(
    lab: Lab, account: Account, switch: Switch, pool: Pool, code: str, at: datetime
) -> None:
    """Record that AWS refused a launch, as a signal of its pool."""
    log.warning("no capacity in %s at %s: %s", pool.key, at.isoformat(), code)
    record_launch(lab, account, switch.instance_id, pool, at, code)


def record_launch(
    lab: Lab,
    account: Account,
    instance_id: str,
    pool: Pool,
    at: datetime,
    refused: str = "",
    source: str = "RunInstances",
) -> None:
    """Record that AWS launched a spot instance, or refused to, as evidence of its pool.

    Args:
        lab: its store.
        account: of the launch.
        instance_id: the instance that was to be replaced, or the probe's id.
        pool: where it was to be launched.
        at: aware UTC.
        refused: AWS's code for a lack of capacity; "": it was launched.
        source: of the observation, for a person.
    """
    event = InterruptionEvent(
        instance_id=instance_id,
        pool=pool,
        at=at,
        kind=InterruptionKind.CAPACITY if refused else InterruptionKind.LAUNCHED,
        source=f"{source}: {refused}" if refused else source,
        recorded_at=at,
        emulated=account.emulated,
    )
    lab.store.interruptions.add([event])


def record_interruption(
    lab: Lab, account: Account, instance_id: str, pool: Pool, at: datetime
) -> None:
    """Record that AWS took a replacement, as evidence of its pool."""
    lab.store.interruptions.add(
        [
            InterruptionEvent(
                instance_id=instance_id,
                pool=pool,
                at=at,
                kind=InterruptionKind.RECLAIMED,
                source="a switch found its replacement reclaimed",
                recorded_at=at,
                emulated=account.emulated,
            )
        ]
    )


def may_be_driven(switch: Switch) -> bool:
    """Whether a driver has something to do."""
    if switch.state is SwitchState.PAUSED:
        return switch.rollback_requested or not switch.pause_requested
    if switch.state is SwitchState.NEEDS_ATTENTION:
        return switch.rollback_requested
    return switch.state in DRIVEN_STATES
