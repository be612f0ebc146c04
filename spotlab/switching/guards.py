"""Guards: whether a switch may begin, and whether a step of it may proceed.

Every refusal names the limit, its value and the present count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from spotlab.domain.decision import Instance, Lifecycle, PipelineMode
from spotlab.domain.switch_filter import SwitchFilter
from spotlab.domain.switch_guards import (
    AccountGuards,
    InstallationGuards,
    Level,
    Levels,
    SwitchingMode,
)
from spotlab.domain.switch_steps import Step
from spotlab.domain.switches import Refusal, Switch, SwitchState, Target
from spotlab.errors import NotFound, SpotlabError
from spotlab.runtime.lab import Lab
from spotlab.store.switch_guards import Start
from spotlab.switching.market_check import changes_since_approval

BEGINNINGS = (Step.IMAGE, Step.LAUNCH, Step.STOP_START)
"""Steps that cost money or time: before the first of them, the limits are checked."""
_TRIED = (SwitchState.DONE, SwitchState.ROLLED_BACK, SwitchState.NEEDS_ATTENTION)


def levels_of(lab: Lab, instance: Instance, guards: AccountGuards | None = None) -> Levels:
    """The modes of the three levels for an instance.

    Args:
        lab: its settings and guards.
        instance: as stored.
        guards: of its account, if they were read already.
    """
    account = guards or lab.store.switch_guards.account(instance.account)
    if instance.mode is PipelineMode.OFF:
        own, remedy = SwitchingMode.OFF, "Turn its pipeline on."
    elif instance.shadow:
        own, remedy = SwitchingMode.DRY_RUN, "End its shadow mode."
    else:
        own, remedy = SwitchingMode.ON, ""
    return Levels(
        Level(
            "the installation",
            SwitchingMode(lab.settings.switching),
            "Set SPOTLAB_SWITCHING to dry-run or on, and restart.",
        ),
        Level(
            f"the account {instance.account}",
            account.mode,
            "Somebody who may approve switches can set the account's mode.",
        ),
        Level(f"the instance {instance.instance_id}", own, remedy),
    )


class SwitchGuards:
    """The guards of all switches of a lab.

    Args:
        lab: its settings, store and market.
        recheck_market: whether the decision is made again before the launch.
    """

    def __init__(self, lab: Lab, *, recheck_market: bool = True) -> None:
        self._lab = lab
        self._recheck_market = recheck_market

    def may_proceed(self, switch: Switch, step: Step) -> Refusal | None:
        """Whether a step may begin; called before each step that matters, in every process.

        Args:
            switch: as stored.
            step: that is about to begin.
        Returns:
            None: it may. Otherwise why not; with `wait`, it may be allowed later.
        """
        stopped = self._unmanaged(switch.account) or self._stopped(switch.account)
        if stopped is not None:
            return stopped
        try:
            instance = self._lab.store.fleet.instance(switch.instance_id)
        except NotFound:
            return Refusal(f"Instance {switch.instance_id} is not in the fleet any more.")
        guards = self._lab.store.switch_guards.account(switch.account)
        levels = levels_of(self._lab, instance, guards)
        if levels.mode is not SwitchingMode.ON and not switch.dry_run:
            return Refusal(levels.decisive.sentence, levels.decisive.remedy)
        if step not in BEGINNINGS or switch.dry_run:
            return None
        sent = any(each.sent for each in switch.progress.attempts)
        if self._lab.store.switch_guards.has_begun(switch.switch_id):
            # Limits were checked when it began; another candidate is no other switch.
            return None if sent else self._market(switch)
        return self.may_begin(switch, instance)

    def may_begin(self, switch: Switch, instance: Instance) -> Refusal | None:
        """Whether an approved switch may begin; if so, it counts from now on.

        Levels and stops are checked by `may_proceed`, the market when a driver begins.
        """
        guards = self._lab.store.switch_guards.account(switch.account)
        return (
            self._window(guards)
            or saving_refusal(switch, guards)
            or self.cool_down(switch.instance_id, guards, switch.switch_id)
            or self._begin(switch, instance, guards)
        )

    def at_request(self, instance: Instance, switch: Switch) -> Refusal | None:
        """Whether a switch may be requested; limits that only delay it are checked later."""
        guards = self._lab.store.switch_guards.account(instance.account)
        levels = levels_of(self._lab, instance, guards)
        if levels.mode is SwitchingMode.OFF:
            return Refusal(levels.decisive.sentence, levels.decisive.remedy)
        return (
            self._stopped(instance.account)
            or saving_refusal(switch, guards)
            or self.cool_down(instance.instance_id, guards)
        )

    def cool_down(
        self, instance_id: str, guards: AccountGuards, own_id: str = ""
    ) -> Refusal | None:
        """Whether the instance's last switch is too recent."""
        now = self._lab.clock.now()
        where = SwitchFilter(instance_id=instance_id, states=_TRIED, dry_run=False)
        ends = [
            each.finished_at or each.requested_at
            for each in self._lab.store.switches.list(where, limit=20)
            if each.switch_id != own_id and each.started_at is not None
        ]
        if not ends or guards.cool_down_h == 0.0:
            return None
        since = (now - max(ends)) / timedelta(hours=1)
        if since >= guards.cool_down_h:
            return None
        free_at = max(ends) + timedelta(hours=guards.cool_down_h)
        return Refusal(
            f"The last switch of {instance_id} ended {max(since, 0.0):.1f} h ago; the cool-down is "
            f"{guards.cool_down_h:g} h.",
            f"Another may begin at {free_at:%Y-%m-%d %H:%M} UTC.",
            wait=True,
        )

    def _unmanaged(self, account: str) -> Refusal | None:
        managed = {each.name: each.active for each in self._lab.store.fleet.accounts()}
        if managed.get(account, True):
            return None
        return Refusal(
            f"The account {account} is not managed any more.",
            "Activate the account, and request the switch again.",
        )

    def _stopped(self, account: str) -> Refusal | None:
        stop = self._lab.store.switch_guards.stop_of(account)
        if stop is None:
            return None
        remedy = "Somebody who may approve switches can release the stop."
        return Refusal(stop.sentence, remedy, wait=True)

    def _window(self, guards: AccountGuards) -> Refusal | None:
        now = self._lab.clock.now()
        if guards.open_at(now):
            return None
        windows = "; ".join(window.label for window in guards.windows)
        return Refusal(
            f"It is {now:%a %H:%M} UTC, and switches may begin only on {windows}.",
            "The switch begins when a window opens.",
            wait=True,
        )

    def _market(self, switch: Switch) -> Refusal | None:
        if not self._recheck_market:
            return None
        try:
            _now, changed = changes_since_approval(self._lab, switch)
        except SpotlabError as exc:
            return Refusal(
                f"Whether the market has changed since the approval is unknown: {exc.message}",
                exc.remedy,
                wait=True,
            )
        if not changed:
            return None
        return Refusal(
            f"The market has changed since the approval. {' '.join(changed)}",
            "Request the switch again.",
        )

    def _begin(self, switch: Switch, instance: Instance, guards: AccountGuards) -> Refusal | None:
        """Count the switch, if no limit is reached; of two processes, one counts first."""
        lab, target = self._lab, switch.requested
        spread = lab.spread(lab.store.policies.active().params, [instance])
        group = spread.group(instance.instance_id).full_label
        pool = target.pool.key
        if target.lifecycle is Lifecycle.SPOT:
            full = spread.unavailable(instance.instance_id, urgent=True).get(pool)
            if full is not None and pool != instance.pool.key:
                return Refusal(f"{full[:1].upper()}{full[1:]}.", "Choose another pool.")
        installation = lab.store.switch_guards.installation()
        start = Start(
            switch.switch_id, switch.account, switch.instance_id, group, pool, lab.clock.now(), True
        )
        refusal = lab.store.switch_guards.start(
            start, lambda others: limit_reached(start, others, installation, guards)
        )
        if refusal is None:
            return None
        return Refusal(refusal, "The switch begins when the count is below the limit.", wait=True)


def saving_refusal(switch: Switch, guards: AccountGuards) -> Refusal | None:
    """Whether a switch to another spot pool saves too little.

    Switches to on-demand are made for safety, and switches by hand for reasons of the user's: they
    have no minimum.
    """
    minimum, target = guards.min_saving_usd_per_hour, switch.requested
    if minimum == 0.0 or target.lifecycle is Lifecycle.ON_DEMAND or switch.experiment_id is None:
        return None
    before, after = switch.cost_before_usd_per_hour, switch.cost_after_usd_per_hour
    saving = None if before is None or after is None else before - after
    if saving is not None and saving >= minimum:
        return None
    expected = "unknown" if saving is None else f"{saving:.4f} USD/h"
    return Refusal(
        f"The expected saving is {expected}; the minimum of the account {switch.account} is "
        f"{minimum:.4f} USD/h."
    )


def limit_reached(
    start: Start,
    others: Sequence[Start],
    installation: InstallationGuards,
    guards: AccountGuards,
) -> str | None:
    """The first limit that another switch would exceed, with its value and the present count.

    Args:
        start: the switch that wants to begin.
        others: that began within the last hour or are under way.
        installation, guards: the limits.
    Returns:
        A sentence, or None.
    """
    hour_ago = start.at - timedelta(hours=1)

    def recent(each: Start) -> bool:
        return each.at > hour_ago

    def of_account(each: Start) -> bool:
        return each.account == start.account

    where = f"in the account {start.account}"
    rules: tuple[tuple[Callable[[Start], bool], int, str], ...] = (
        (recent, installation.switches_per_hour, "began within an hour in all accounts"),
        (
            lambda each: recent(each) and of_account(each),
            guards.switches_per_hour,
            f"began within an hour {where}",
        ),
        (
            lambda each: each.under_way and of_account(each),
            guards.at_once,
            f"are under way {where}",
        ),
        (
            lambda each: each.under_way and each.group == start.group,
            guards.at_once_per_group,
            f"of the group {start.group} are under way",
        ),
        (
            lambda each: recent(each) and of_account(each) and each.pool == start.pool,
            guards.per_pool_per_hour,
            f"into the pool {start.pool} began within an hour {where}",
        ),
    )
    for counts, limit, what in rules:
        count = sum(counts(each) for each in others)
        if count == 1 and limit <= 1:
            return f"1 switch {what.replace('are under', 'is under')}; the limit is {limit}."
        if count >= limit:
            return f"{count} switches {what}; the limit is {limit}."
    return None


def expires_at(guards: InstallationGuards, now: datetime) -> datetime:
    """When a request that is made now expires."""
    return now + timedelta(minutes=guards.approval_minutes)


def on_demand_of(instance: Instance, price_usd_per_hour: float | None) -> Target:
    """On-demand capacity of the instance's own type, as the last resort."""
    return Target(instance.pool, Lifecycle.ON_DEMAND, price_usd_per_hour, price_usd_per_hour)
