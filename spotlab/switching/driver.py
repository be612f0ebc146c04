"""Driving switches in a lab: the lease, the account's AWS, and the collaborators of the engine."""

from __future__ import annotations

import logging
import secrets
import socket
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

from spotlab.aws.discovery import Ec2Discovery
from spotlab.aws.switching import AwsSwitching
from spotlab.aws.target_region import TargetRegion
from spotlab.domain.decision import Lifecycle
from spotlab.domain.interruptions import InterruptionEvent, InterruptionKind
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account
from spotlab.domain.switch_moves import MovePlan
from spotlab.domain.switches import DRIVEN_STATES, Realised, Refusal, Switch, SwitchState
from spotlab.errors import Cancelled, NotFound, SpotlabError
from spotlab.runtime.lab import Lab
from spotlab.runtime.leader_election import Leadership, hold_lease
from spotlab.store.engine import Fence, fenced
from spotlab.switching import savings
from spotlab.switching.engine import Engine
from spotlab.switching.health_checks import check_health
from spotlab.switching.hooks import Hooks, MayProceed
from spotlab.switching.move_plans import move_plan
from spotlab.switching.planner import Planner
from spotlab.switching.savings import prices_in

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
    engine = engine_of(lab, switch, may_proceed, sleep, monotonic, on_change)
    give_up_at = time.monotonic() + lease_ttl_s * 1.5
    try:
        # A killed driver cannot release its lease: it is watched for as long as it lasts.
        with (
            hold_lease(leadership, lambda: None, lambda: time.monotonic() > give_up_at) as token,
            fenced(Fence(name, token)),
        ):
            return engine.run(switch_id, token, lambda: leadership.token == token)
    except Cancelled:
        log.info("switch %s is left to another driver", switch_id)
        return lab.store.switches.get(switch_id)


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
    cloud = lab.cloud()
    account = _account(cloud.accounts, switch.account)
    planner = Planner(Ec2Discovery(cloud.sessions, lab.clock), TargetRegion(cloud.sessions))

    def plan(current: Switch) -> MovePlan | Refusal:
        instance = lab.store.fleet.instance(current.instance_id)
        return move_plan(planner, account, current, lab.workload_of(instance))

    def measure(current: Switch, now: datetime) -> Realised | None:
        try:
            return savings.measure(current, now, prices_in(lab.market()))
        except SpotlabError as exc:
            log.warning("the saving of switch %s is unknown: %s", current.switch_id, exc)
            return None

    return Engine(
        store=lab.store.switches,
        aws=AwsSwitching(cloud.sessions, account, switch.pool.region),
        hooks=Hooks(
            plan=plan,
            may_proceed=may_proceed,
            on_capacity=note_capacity,
            on_interrupted=partial(record_interruption, lab, account),
            check_health=check_health,
            measure=measure,
            allowances=lab.store.launch_allowances,
        ),
        clock=lab.clock,
        monotonic=monotonic,
        sleep=sleep,
        on_change=on_change,
    )


def price_of(lab: Lab, pool: Pool, lifecycle: Lifecycle) -> float | None:
    """Price of a pool in the active market now, USD per hour; None: unknown."""
    return prices_in(lab.market())(pool, lifecycle)


def note_capacity(pool: Pool, code: str, at: datetime) -> None:
    """Log that a pool lacked capacity; `launch_allowances` remembers it for every driver."""
    log.warning("no capacity in %s at %s: %s", pool.key, at.isoformat(), code)


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


def _account(accounts: tuple[Account, ...], name: str) -> Account:
    for account in accounts:
        if account.name == name:
            return account
    raise NotFound(f"The account {name!r} is not managed.", remedy="Activate it first.")
