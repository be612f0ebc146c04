"""Switches of instances that a user sees: planned, requested, approved, stopped and rolled back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from spotlab.domain.access import Right
from spotlab.domain.decision import Experiment, Instance, Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.ports import ExperimentFilter, Topic
from spotlab.domain.switch_filter import SwitchFilter
from spotlab.domain.switch_guards import Levels
from spotlab.domain.switch_moves import HealthCheck
from spotlab.domain.switch_plan import Preflight, Strategy
from spotlab.domain.switches import JournalEntry, Refusal, Switch, SwitchState, Target
from spotlab.errors import Conflict, InvalidInput, NotFound
from spotlab.services.base import Service
from spotlab.switching import approval, requests
from spotlab.switching.guards import SwitchGuards, levels_of
from spotlab.switching.preflight.reader import preflight_of


@dataclass(frozen=True, slots=True)
class SwitchPlan:
    """What a switch would do, and whether it may be requested.

    Args:
        instance: to be replaced.
        experiment: the decision; None: by hand.
        targets: the requested one, then the next candidates.
        preflight: strategy, findings, what is kept and lost, and the calls, none of which is made;
            without calls if a finding forbids the switch.
        levels: what installation, account and instance allow.
        refusal: why it cannot be requested; None: it can, if the preflight finds nothing.
        open_switch: id of the open switch of the instance; "": none.
        draft: the switch as it would be requested; a dry run unless every level is on.
    """

    instance: Instance
    experiment: Experiment | None
    targets: tuple[Target, ...]
    preflight: Preflight
    levels: Levels
    refusal: Refusal | None
    open_switch: str
    draft: Switch


class SwitchService(Service):
    """Switches in the accounts that the user sees."""

    __slots__ = ()

    def list(
        self, where: SwitchFilter | None = None, *, limit: int = 100, offset: int = 0
    ) -> Sequence[Switch]:
        """Switches, newest request first. Raises Forbidden."""
        return self.lab.store.switches.list(self._visible(where), limit=limit, offset=offset)

    def count(self, where: SwitchFilter | None = None) -> int:
        """Number of switches. Raises Forbidden."""
        return self.lab.store.switches.count(self._visible(where))

    def get(self, switch_id: str) -> Switch:
        """One switch. Raises NotFound: also for one of an account that the user does not see."""
        self.require(Right.READ)
        switch = self.lab.store.switches.get(switch_id)
        if not self.principal.sees(switch.account):
            raise NotFound(
                f"There is no switch {switch_id!r}.", remedy="List the switches for their ids."
            )
        return switch

    def journal(
        self, switch_id: str, after: int = 0, limit: int = 10_000
    ) -> Sequence[JournalEntry]:
        """The journal of a switch, in order. Raises NotFound, Forbidden."""
        return self.lab.store.switches.journal(self.get(switch_id).switch_id, after, limit)

    def plan(
        self,
        instance_id: str,
        *,
        pool: Pool | None = None,
        lifecycle: Lifecycle = Lifecycle.SPOT,
        experiment_id: int | None = None,
        strategy: Strategy | None = None,
        confirmed: Collection[str] = (),
    ) -> SwitchPlan:
        """Preflight of a switch and the calls it would make; nothing is changed or stored.

        Args:
            instance_id: to be replaced.
            pool: to move to by hand; None: as decided.
            lifecycle: of the replacement in that pool.
            experiment_id: the decision; None: the newest one about the instance.
            strategy: None: the preflight chooses.
            confirmed: codes of questions of an earlier preflight that are answered with yes.
        Raises:
            NotFound: no such instance or decision.
            Forbidden: the user may not request switches.
            Conflict: the decision is to stay.
            InvalidInput: the pool cannot be a target, or a confirmed code is not a question of
                this preflight.
            AwsError: the instance cannot be read.
        """
        instance = self._instance(instance_id)
        self.require(Right.REQUEST_SWITCHES, instance.account)
        experiment = None
        if pool is None and lifecycle is not Lifecycle.SPOT:
            raise InvalidInput(
                f"The lifecycle {lifecycle.value} was named without a pool.",
                remedy="Name the pool to move to by hand too.",
                field="lifecycle",
            )
        if pool is None:
            experiment = self._decision(instance, experiment_id)
            targets = requests.targets_of(self.lab, experiment)
        else:
            targets = (requests.target_by_hand(self.lab, instance, pool, lifecycle),)
        preflight = preflight_of(
            self.lab,
            instance,
            targets,
            by_hand=pool is not None,
            confirmed=confirmed,
            strategy=strategy,
        )
        _require_known(confirmed, preflight)
        if preflight.forbidding:
            preflight = replace(preflight, calls=())
        levels = levels_of(self.lab, instance)
        draft = requests.build(
            self.lab,
            instance,
            targets,
            preflight,
            requested_by=self.principal.name,
            experiment=experiment,
            confirmed=confirmed,
        )
        other = self.lab.store.switches.open_of(instance_id)
        return SwitchPlan(
            instance,
            experiment,
            targets,
            preflight,
            levels,
            SwitchGuards(self.lab).at_request(instance, draft),
            other.switch_id if other is not None else "",
            draft,
        )

    def request(
        self,
        instance_id: str,
        *,
        pool: Pool | None = None,
        lifecycle: Lifecycle = Lifecycle.SPOT,
        experiment_id: int | None = None,
        strategy: Strategy | None = None,
        confirmed: Collection[str] = (),
        on_demand: bool = True,
        health_check: HealthCheck | None = None,
        dry_run: bool = False,
        reason: str = "",
    ) -> Switch:
        """Request a switch. Where a level is "dry-run", the request is a dry run: its calls are
        listed in its journal, and it is finished.

        Args:
            instance_id, pool, lifecycle, experiment_id, strategy, confirmed: see `plan`.
            on_demand: whether on-demand may be launched if no target has capacity.
            health_check: of the user's, besides the status checks.
            dry_run: list the calls only, also where a switch would be allowed.
            reason: for the journal and the audit log.
        Raises:
            Conflict: a level is off, a guard or the preflight refuses it, or another switch of the
                instance is open. The message names the level, the limit or the finding.
            NotFound, Forbidden, InvalidInput, AwsError: see `plan`.
        """
        by = self.by(reason)
        plan = self.plan(
            instance_id,
            pool=pool,
            lifecycle=lifecycle,
            experiment_id=experiment_id,
            strategy=strategy,
            confirmed=confirmed,
        )
        if plan.refusal is not None:
            raise Conflict(plan.refusal.reason, remedy=plan.refusal.remedy)
        if plan.preflight.refused:
            first = plan.preflight.blocking[0]
            confirm = f' To confirm it, name the code "{first.code}".' if first.question else ""
            raise Conflict(first.text, remedy=f"{first.remedy}{confirm}")
        draft = plan.draft
        switch = replace(
            draft,
            on_demand=draft.on_demand if on_demand else None,
            health_check=health_check,
            reason=reason,
            dry_run=dry_run or draft.dry_run,
        )
        entries = [approval.note(switch, by, "request", {"target": switch.requested.label})]
        if switch.dry_run:
            switch, calls = requests.rehearsed(switch, plan.preflight)
            entries += calls
        made = self.lab.store.switches.create(switch, by, entries)
        self.lab.bus.publish(Topic.SWITCHES)
        return made

    def approve(self, switch_id: str, reason: str = "") -> Switch:
        """Approve a requested switch; a driver begins it.

        Raises:
            NotFound: no such switch.
            Forbidden: the user may not approve switches, or requested this one.
            Conflict: it does not wait for approval, or a guard refuses it.
        """
        switch = self.get(switch_id)
        self.require(Right.APPROVE_SWITCHES, switch.account)
        return approval.approve(
            self.lab, switch, self.by(reason), approvers=self.principal.grantors
        )

    def reject(self, switch_id: str, reason: str = "") -> Switch:
        """Reject a requested switch; who requested it may withdraw it.

        Raises:
            NotFound, Forbidden, Conflict: see `approve`.
        """
        switch = self.get(switch_id)
        own = switch.requested_by == self.principal.name
        self.require(Right.REQUEST_SWITCHES if own else Right.APPROVE_SWITCHES, switch.account)
        return approval.reject(self.lab, switch, self.by(reason))

    def pause(self, switch_id: str, reason: str = "") -> Switch:
        """Stop a switch before its next step that cannot be undone.

        Raises:
            NotFound: no such switch.
            Forbidden: the user may not stop switches.
            Conflict: it is finished.
        """
        switch = self._ours(switch_id, Right.STOP_SWITCHES)
        return self._asked(switch, reason, pause=True)

    def resume(self, switch_id: str, reason: str = "") -> Switch:
        """Let a paused switch, or one that needs attention, continue.

        Raises:
            NotFound, Forbidden: as `pause`, with the right to approve.
            Conflict: it is neither.
        """
        switch = self._ours(switch_id, Right.APPROVE_SWITCHES)
        stopped = switch.state in (SwitchState.PAUSED, SwitchState.NEEDS_ATTENTION)
        if not stopped and not switch.pause_requested:
            raise Conflict(
                f"The switch {switch_id} is {switch.state.value}, not paused.",
                remedy="There is nothing to resume.",
            )
        return self._asked(switch, reason, pause=False)

    def roll_back(self, switch_id: str, reason: str = "") -> Switch:
        """Undo a switch; one that waits for approval or a driver just ends. Raises as `pause`."""
        switch = self._ours(switch_id, Right.STOP_SWITCHES)
        if switch.state in (SwitchState.REQUESTED, SwitchState.APPROVED):
            by = self.by(reason)
            why = f"Rolled back by {by.actor} before it began."
            return approval.end(self.lab, switch, by, SwitchState.ROLLED_BACK, why)
        return self._asked(switch, reason, roll_back=True)

    def _asked(
        self,
        switch: Switch,
        reason: str,
        *,
        pause: bool | None = None,
        roll_back: bool | None = None,
    ) -> Switch:
        asked = self.lab.store.switches.ask(
            switch.switch_id, self.by(reason), pause=pause, roll_back=roll_back
        )
        self.lab.bus.publish(Topic.SWITCHES)
        return asked

    def _ours(self, switch_id: str, right: Right) -> Switch:
        switch = self.get(switch_id)
        self.require(right, switch.account)
        return switch

    def _instance(self, instance_id: str) -> Instance:
        """An instance that the user sees. Raises NotFound, Forbidden."""
        self.require(Right.READ)
        instance = self.lab.store.fleet.instance(instance_id)
        if not self.principal.sees(instance.account):
            raise NotFound(
                f"Instance {instance_id!r} is not in the fleet.",
                remedy="Check its id, or collect its account first.",
            )
        return instance

    def _decision(self, instance: Instance, experiment_id: int | None) -> Experiment:
        ledger = self.lab.store.ledger
        if experiment_id is None:
            newest = ledger.list(ExperimentFilter(instance_id=instance.instance_id), limit=1)
            if not newest:
                raise NotFound(
                    f"There is no decision about {instance.instance_id}.",
                    remedy="Evaluate it first, or name a pool.",
                )
            experiment_id = newest[0].experiment_id
        experiment = ledger.get(experiment_id)
        if experiment.instance.instance_id != instance.instance_id:
            raise NotFound(
                f"The decision {experiment_id} is not about {instance.instance_id}.",
                remedy="Name one of its own decisions.",
            )
        return experiment

    def _visible(self, where: SwitchFilter | None) -> SwitchFilter:
        self.require(Right.READ)
        where, visible = where or SwitchFilter(), self.principal.accounts
        if visible is None:
            return where
        wanted = visible if where.accounts is None else where.accounts
        return replace(where, accounts=tuple(name for name in wanted if name in visible))


def _require_known(confirmed: Collection[str], preflight: Preflight) -> None:
    """Raise InvalidInput if a confirmed code is not a question of the preflight."""
    asked = sorted({finding.code for finding in preflight.findings if finding.question})
    for code in confirmed:
        if code not in asked:
            raise InvalidInput(
                f"The preflight does not ask {code[:60]!r}, so it cannot be confirmed.",
                remedy=f"Valid codes: {', '.join(asked)}."
                if asked
                else "It asks no questions: leave the code out.",
                field="confirmed",
            )
